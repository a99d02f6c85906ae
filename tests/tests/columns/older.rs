//! Servers of older major versions. Only a run with `LIFEBOAT_TEST_LONG` fetches and tries them.

use lifeboat_rotate::sweep::Mode;
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{Major, Postgres};

use crate::world::{NEW, OLD, World, cut_over, mode, plain, same, small};

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_13_rotates_and_rolls_back_in_every_mode() {
    rotates(Major::V13);
}

#[test]
#[ignore = "fetches a server: for LIFEBOAT_TEST_LONG=1 scripts/test"]
fn postgres_14_rotates_and_rolls_back_in_every_mode() {
    rotates(Major::V14);
}

fn rotates(major: Major) {
    let server = Postgres::start(major, &Options::default());
    let plain = plain(700);
    let mut tables = vec![KEYED];
    match major {
        Major::V13 => {
            let error = World::on(&server, KEYLESS).run(&small()).unwrap_err();
            assert!(error.to_string().contains("servers before 14"), "{}", error.chain());
        }
        _ => tables.push(KEYLESS),
    }
    let mut bound = World::on(&server, MADE);
    bound.target.aad = "{digest}".parse().unwrap();
    let is_told = bound.plan().refusals().any(|refusal| refusal.contains("which the rotation itself rewrites"));
    assert!(is_told, "{major:?}: what a column is made of lies elsewhere in its catalog");
    for columns in tables {
        for wanted in [Mode::Online, Mode::Offline, Mode::Staged] {
            let world = World::on(&server, columns);
            world.fill(OLD, &plain);
            let case = format!("{major:?}, {columns}, {wanted:?}");
            let refused: Vec<_> = world.plan().refusals().map(ToString::to_string).collect();
            assert_eq!(refused, Vec::<String>::new(), "{case}");
            let summary = world.run(&mode(wanted)).unwrap_or_else(|error| panic!("{case}: {}", error.chain()));
            assert!(summary.is_clean(), "{case}: {summary:?}");
            if wanted == Mode::Staged {
                world.run(&cut_over()).unwrap();
            }
            assert!(world.verify(&small()).passed(), "{case}");
            same(&world.opened(NEW), &plain, &case);
            world.rollback(&small()).unwrap();
            same(&world.opened(OLD), &plain, &case);
            world.run(&mode(wanted)).unwrap();
            if wanted == Mode::Staged {
                world.run(&cut_over()).unwrap();
            }
            world.finalize(&small()).unwrap();
            same(&world.opened(NEW), &plain, &case);
        }
    }
}

const KEYED: &str = "id int PRIMARY KEY, value text";
const KEYLESS: &str = "id int, value text";
const MADE: &str = "id int PRIMARY KEY, value text, digest text GENERATED ALWAYS AS (md5(value)) STORED";
