//! A rotation that is under way: what is taken over from it, and what `plan` and `status` say of it.

use std::sync::Arc;

use lifeboat_core::Kind;
use lifeboat_rotate::Keyring;
use lifeboat_rotate::sweep::{Direction, Mode, Phase, SweepOptions};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, OTHER, World, keys, mode, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

#[test]
fn the_mode_of_a_rotation_under_way_is_taken_over() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 200);
    world.run(&mode(Mode::Staged)).unwrap();
    let again = world.run(&small()).unwrap();
    assert!(again.mode == Mode::Staged && !again.cut_over, "{again:?}");
    same(&world.opened(OLD), &plain, "the application reads the old key only");
    assert_eq!(world.plan().mode, Mode::Staged);
    assert_eq!(world.run(&mode(Mode::Online)).unwrap_err().kind(), Kind::Policy, "another mode was asked for");

    let in_place = world.run(&SweepOptions { cut_over: true, ..small() }).unwrap();
    assert!(in_place.cut_over && in_place.is_clean(), "{in_place:?}");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn nothing_is_put_in_place_that_was_not_prepared() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 50);
    for asked in [None, Some(Mode::Online), Some(Mode::Staged), Some(Mode::Offline)] {
        for dry_run in [true, false] {
            let error = world.run(&SweepOptions { mode: asked, cut_over: true, dry_run, ..small() }).unwrap_err();
            assert!(error.kind() == Kind::Policy && error.to_string().contains("not prepared"), "{}", error.chain());
        }
    }
    same(&world.opened(OLD), &plain, "plaintexts");
    assert!(world.status().targets.is_empty(), "nothing was begun");
}

#[test]
fn a_plan_refuses_what_a_run_would() {
    let (mut world, _) = World::with_rows(Major::V18, TABLE, 300);
    assert!(world.plan().targets[0].under_way.is_none());
    world.run(&SweepOptions { max_passes: 1, ..small() }).unwrap();
    let plan = world.plan();
    let begun = plan.targets[0].under_way.as_ref().unwrap();
    assert_eq!((begun.phase, begun.direction, begun.rotated), (Phase::Sweeping, Direction::Forward, 300));
    assert_eq!(plan.refusals().count(), 0, "{plan:?}");

    let expected = plan.targets[0].new_key.clone();
    world.target.keys = keys(OLD, OTHER);
    let other = world.plan();
    assert!(other.refusals().any(|refusal| refusal.contains(&format!("its new key is {expected}"))), "{other:?}");
    world.target.keys = keys(OLD, NEW);

    // Half a way back.
    world.rollback(&SweepOptions { max_passes: 1, ..small() }).unwrap();
    let plan = world.plan();
    assert_eq!(plan.targets[0].under_way.as_ref().unwrap().direction, Direction::Back);
    assert!(plan.refusals().any(|refusal| refusal.contains("is being rolled back; run rollback")), "{plan:?}");
    assert_eq!(world.run(&small()).unwrap_err().kind(), Kind::Policy);
}

/// Values that name their key, from `k1` to this id.
fn named(world: &mut World, old: &str, new: &str) {
    world.target.layout = "kid \":\" base64(iv tag ct)".parse().unwrap();
    let mut keys = (*keys(OLD, NEW)).clone();
    (keys.old.id, keys.new.id) = (Some(old.to_owned()), Some(new.to_owned()));
    world.target.keys = Arc::new(keys);
}

fn ids(world: &World) -> String {
    world.database.psql("SELECT string_agg(DISTINCT split_part(value, ':', 1), ' ') FROM secrets")
}

#[test]
fn a_rotation_that_goes_on_or_back_or_ends_names_its_keys_as_it_began() {
    let mut world = World::new(Major::V18, TABLE);
    named(&mut world, "k1", "k2");
    let old = Keyring::new(world.target.layout.clone(), world.target.keys.old.derive().unwrap()).unwrap();
    for id in 0..30 {
        let value = old.encrypt(b"named", b"").unwrap();
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{}')", value.text().unwrap()));
    }
    world.run_to_the_end(&small());
    for (ids, known) in [(["k1", "k3"], "the id of its new key is k2"), (["k9", "k2"], "the id of its old key is k1")] {
        named(&mut world, ids[0], ids[1]);
        for error in [
            world.run(&small()).unwrap_err(),
            world.rollback(&small()).unwrap_err(),
            world.finalize(&small()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::WrongKey, "{}", error.chain());
            assert!(error.to_string().contains(known), "{error}");
        }
        assert!(world.plan().refusals().any(|refusal| refusal.contains(known)));
    }
    assert_eq!(ids(&world), "k2");
    named(&mut world, "k1", "k2");
    assert!(world.rollback(&small()).unwrap().is_clean());
    assert_eq!(ids(&world), "k1");
}

#[test]
fn what_is_being_rolled_back_is_not_sent_forward_to_be_finalized() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 60);
    world.run_to_the_end(&small());
    world.rollback(&SweepOptions { max_passes: 1, ..small() }).unwrap();
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.help().unwrap().starts_with("run rollback until it is over"), "{:?}", error.help());
}
