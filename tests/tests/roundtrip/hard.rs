//! The hard database comes back whole: on 15, on 18, and from 15 on 18.

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::{Major, Postgres, fixtures};

use crate::depot::Depot;

#[test]
fn everything_comes_back_on_15() {
    comes_back_whole(Major::V15, Major::V15);
}

#[test]
fn everything_comes_back_on_18() {
    comes_back_whole(Major::V18, Major::V18);
}

#[test]
fn everything_of_15_comes_back_on_18() {
    comes_back_whole(Major::V15, Major::V18);
}

/// Into a database that the restore creates, and into an empty one that was there.
fn comes_back_whole(from: Major, to: Major) {
    let depot = Depot::s3();
    let original = fixtures::hard(from);
    let server = Postgres::shared(to);
    let backup = depot.backup(&original);
    assert_eq!(backup.result["warnings"], serde_json::json!([]));

    let created = depot.restore(server, &[]);
    assert_same(&original, &created);

    let empty = server.database("empty");
    depot.restore_command(server, &empty.name).args(["--jobs", "1"]).run().expect(0);
    assert_same_but_settings(&original, &empty);
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
}

#[test]
fn everything_comes_back_from_a_folder() {
    let depot = Depot::file();
    let original = fixtures::hard(Major::V15);
    depot.backup(&original);
    let restored = depot.restore(original.server, &[]);
    assert_same(&original, &restored);
}

#[test]
fn a_restored_database_is_analyzed_and_can_be_backed_up_again() {
    let depot = Depot::file();
    let original = fixtures::small(Major::V18);
    depot.backup(&original);
    let restored = depot.restore(original.server, &[]);
    assert_eq!(restored.psql("SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'public'"), "t");

    let second = Depot::file();
    second.backup(&restored);
    assert_same(&original, &second.restore(original.server, &[]));
}
