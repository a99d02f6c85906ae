//! A rotation that is under way: what is taken over from it, and what `plan` and `status` say of it.

use lifeboat_core::Kind;
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
        let error = world.run(&SweepOptions { mode: asked, cut_over: true, ..small() }).unwrap_err();
        assert!(error.kind() == Kind::Policy && error.to_string().contains("not prepared"), "{}", error.chain());
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
