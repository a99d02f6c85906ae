//! Major versions between those that every other test is for. `LIFEBOAT_TEST_LONG=1` fetches and tries them.

use lifeboat_tests::compare::{assert_same, assert_same_contents};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Depot, Major, Postgres, Way, fixtures};

use crate::drilled;

#[test]
fn postgres_16_comes_back_whole_in_its_own_version_and_in_18() {
    comes_back(Major::V16);
}

#[test]
fn postgres_17_comes_back_whole_in_its_own_version_and_in_18() {
    comes_back(Major::V17);
}

fn comes_back(major: Major) {
    if !long() {
        return;
    }
    let server = Postgres::start(major, &Options::default());
    let original = server.database("version");
    // The package of 16 has none of the extensions that the hard one needs.
    match major {
        Major::V16 => original.load(&fixtures::sql(fixtures::SMALL)),
        _ => fixtures::load_hard(&original),
    }
    for method in ["stream", "parallel"] {
        let depot = Depot::file().by(Way { method, sealed: method == "parallel", compression: "gzip" });
        depot.backup(&original);
        assert_same(&original, &depot.restore(&server, &[]));
        assert_same_contents(&original, &depot.restore(Postgres::shared(Major::V18), &[]));
        drilled(&server, &depot);
    }
}
