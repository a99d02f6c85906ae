//! Rotations that have written nothing, and are to end: by a key that is lost, or that opens nothing any more.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Mode, Phase};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, OTHER, World, keys, mode, plain, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

fn phase(world: &World) -> Phase {
    world.status().targets[0].phase
}

#[test]
fn a_rotation_that_wrote_nothing_ends_without_its_new_key() {
    for asked in [Mode::Offline, Mode::Staged] {
        let (mut world, plain) = World::with_rows(Major::V18, TABLE, 40);
        world.database.psql("INSERT INTO secrets VALUES (1000, 'a password somebody typed')");
        let begun = world.run(&mode(asked));
        assert_eq!(begun.is_err(), asked == Mode::Offline, "the typed one is refused there");
        world.target.keys = keys(OLD, OTHER);
        let error = world.run(&small()).unwrap_err();
        assert!(error.help().unwrap().contains("its new key is not needed for that"), "{:?}", error.help());

        let error = world.rollback(&small()).unwrap_err();
        assert_eq!((error.kind(), phase(&world)), (Kind::WrongKey, Phase::RolledBack), "{}", error.chain());
        assert!(error.help().unwrap().contains("is over; no value was changed"), "{:?}", error.help());
        assert_eq!(world.database.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'"), "0");
        same(&world.opened(OLD), &plain, "plaintexts");
        world.database.psql("DELETE FROM secrets WHERE id = 1000");
        assert!(world.run(&mode(Mode::Offline)).unwrap().is_clean());
        same(&world.opened(OTHER), &plain, "another one");
    }
}

#[test]
fn a_rotation_that_wrote_something_wants_its_new_key() {
    let (mut world, plain) = World::with_rows(Major::V15, TABLE, 40);
    world.run_to_the_end(&small());
    world.target.keys = keys(OLD, OTHER);
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!((error.kind(), phase(&world)), (Kind::WrongKey, Phase::Swept), "{}", error.chain());
    assert!(!error.help().unwrap().contains("roll this rotation back"), "that is what was asked: {:?}", error.help());
    world.target.keys = keys(OLD, NEW);
    assert!(world.rollback(&small()).unwrap().is_clean());
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn a_run_that_is_given_again_has_written_what_it_wrote_before() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 40);
    for _ in 0..2 {
        world.run_to_the_end(&mode(Mode::Offline));
        assert_eq!(world.status().targets[0].rotated, 40);
    }
    assert!(world.rollback(&small()).unwrap().is_clean());
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn a_rotation_that_wrote_nothing_ends_when_all_values_are_under_a_third_key_since() {
    let (mut world, plain) = (World::new(Major::V18, TABLE), plain(40));
    world.fill(OLD, &plain);
    world.database.psql("INSERT INTO secrets VALUES (1000, 'a password somebody typed')");
    assert_eq!(world.run(&mode(Mode::Offline)).unwrap_err().kind(), Kind::Policy);
    world.database.psql("DELETE FROM secrets");
    world.fill(OTHER, &plain);
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!((error.kind(), phase(&world)), (Kind::WrongKey, Phase::RolledBack), "{}", error.chain());
    assert!(error.help().unwrap().contains("the rotation is over"), "{:?}", error.help());
    world.target.keys = keys(OTHER, NEW);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
}
