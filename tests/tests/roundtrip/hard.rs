//! The hard database comes back whole: on 15, on 18, and from 15 on 18.

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::{Depot, Major, Postgres, Way, every_method, every_way, fixtures, zstd};

every_way!(everything_comes_back_on_15, everything_comes_back_on_18, everything_comes_back_from_a_folder);
zstd!(parallel, sealed: everything_comes_back_on_18);
// What is sealed is opened before another release sees it.
every_method!(everything_of_15_comes_back_on_18, a_restored_database_is_analyzed_and_can_be_backed_up_again);

fn everything_comes_back_on_15(way: Way) {
    comes_back_whole(way, Major::V15, Major::V15);
}

fn everything_comes_back_on_18(way: Way) {
    comes_back_whole(way, Major::V18, Major::V18);
}

fn everything_of_15_comes_back_on_18(way: Way) {
    comes_back_whole(way, Major::V15, Major::V18);
}

/// Into a database that the restore creates, and into an empty one that was there.
fn comes_back_whole(way: Way, from: Major, to: Major) {
    let depot = Depot::s3().by(way);
    let original = fixtures::hard(from);
    let server = Postgres::shared(to);
    let backup = depot.backup(&original);
    assert_eq!(backup.result["warnings"], serde_json::json!([]));

    let created = depot.restore(server, &[]);
    assert_same(&original, &created);

    let empty = server.database("empty");
    depot.restore_command(server, &empty.name).args(["--jobs", "1"]).run().expect(0);
    assert_same_but_settings(&original, &empty);
    let verified = depot.lifeboat("verify").args(["shop/latest", "--json"]).run().expect(0).result();
    assert_eq!((&verified["rows"], &verified["unchecked"]), (&backup.result["rows"], &serde_json::json!([])));
}

fn everything_comes_back_from_a_folder(way: Way) {
    let depot = Depot::file().by(way);
    let original = fixtures::hard(Major::V15);
    depot.backup(&original);
    let restored = depot.restore(original.server, &[]);
    assert_same(&original, &restored);
}

fn a_restored_database_is_analyzed_and_can_be_backed_up_again(way: Way) {
    let depot = Depot::file().by(way);
    let original = fixtures::small(Major::V18);
    depot.backup(&original);
    let restored = depot.restore(original.server, &[]);
    assert_eq!(restored.psql("SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'public'"), "t");

    let second = Depot::file().by(way);
    second.backup(&restored);
    assert_same(&original, &second.restore(original.server, &[]));
}
