//! Major versions between those that every other test is for. Only a run with `LIFEBOAT_TEST_LONG` fetches and tries them.

use lifeboat_tests::compare::{assert_same, assert_same_contents};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{Depot, Major, Postgres, Way, fixtures};

use crate::drilled;

/// The oldest that is taken.
#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_12_comes_back_whole_in_its_own_version_and_in_later_ones() {
    comes_back(Major::V12);
}

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_13_comes_back_whole_in_its_own_version_and_in_later_ones() {
    comes_back(Major::V13);
}

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_14_comes_back_whole_in_its_own_version_and_in_later_ones() {
    comes_back(Major::V14);
}

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_16_comes_back_whole_in_its_own_version_and_in_later_ones() {
    comes_back(Major::V16);
}

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_17_comes_back_whole_in_its_own_version_and_in_later_ones() {
    comes_back(Major::V17);
}

fn comes_back(major: Major) {
    let server = Postgres::start(major, &Options::default());
    let original = server.database("version");
    // The package of 16 has none of the extensions that the hard one needs, which older servers do not understand.
    match major {
        Major::V12 | Major::V13 | Major::V14 | Major::V16 => original.load(&fixtures::sql(fixtures::SMALL)),
        _ => fixtures::load_hard(&original),
    }
    for method in ["stream", "parallel"] {
        let depot = Depot::file().by(Way { method, sealed: method == "parallel", compression: "gzip" });
        depot.backup(&original);
        assert_same(&original, &depot.restore(&server, &[]));
        for later in Major::ALL.into_iter().filter(|later| *later > major) {
            assert_same_contents(&original, &depot.restore(Postgres::shared(later), &[]));
        }
        drilled(&server, &depot);
    }
}
