//! Partitions that come and go while their table's key changes.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Mode, Phase};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, OTHER, Plain, World, cut_over, keys, mode, plain, same, small, target};

const MODES: [Mode; 3] = [Mode::Online, Mode::Staged, Mode::Offline];

/// `secrets` in parts: `a` to 100, `b` from there on.
fn parted(count: usize) -> (World<'static>, Plain) {
    let world = empty();
    world.database.psql(
        "CREATE TABLE a PARTITION OF secrets FOR VALUES FROM (0) TO (100);
         CREATE TABLE b PARTITION OF secrets FOR VALUES FROM (100) TO (1000)",
    );
    let plain = plain(count);
    world.fill(OLD, &plain);
    (world, plain)
}

/// Without any partition.
fn empty() -> World<'static> {
    let world = World::new(Major::V18, "id int");
    world
        .database
        .psql("DROP TABLE secrets; CREATE TABLE secrets (id int PRIMARY KEY, value text) PARTITION BY RANGE (id)");
    world
}

const DETACH: &str = "ALTER TABLE secrets DETACH PARTITION a";
const ATTACH: &str = "ALTER TABLE secrets ATTACH PARTITION a FOR VALUES FROM (0) TO (100)";

/// A partition of values under the old key that comes to the table.
fn attach_more(world: &World, plain: &mut Plain) {
    let value = world.encrypted(OLD, "in a partition that came later");
    world.database.psql(&format!(
        "CREATE TABLE c (id int PRIMARY KEY, value text); INSERT INTO c VALUES (1001, '{value}');
         ALTER TABLE secrets ATTACH PARTITION c FOR VALUES FROM (1000) TO (2000)"
    ));
    plain.insert("1001".to_owned(), "in a partition that came later".to_owned());
}

fn phase(world: &World) -> Phase {
    world.status().targets.iter().find(|target| target.table.name == "secrets").unwrap().phase
}

#[test]
fn a_partitioned_table_goes_forward_and_back_in_every_mode_and_takes_in_what_is_attached_meanwhile() {
    for asked in MODES {
        let (world, mut plain) = parted(300);
        assert!(world.run(&mode(asked)).unwrap().is_clean(), "{asked:?}");
        attach_more(&world, &mut plain);
        if asked == Mode::Staged {
            assert!(world.run(&cut_over()).unwrap().is_clean());
        } else {
            assert!(world.run(&small()).unwrap().is_clean(), "{asked:?}");
        }
        assert!(world.verify(&small()).passed(), "{asked:?}");
        same(&world.opened(NEW), &plain, asked.name());
        assert!(world.rollback(&small()).unwrap().is_clean(), "{asked:?}");
        same(&world.opened(OLD), &plain, asked.name());

        assert!(world.run(&mode(asked)).unwrap().is_clean(), "{asked:?}");
        if asked == Mode::Staged {
            world.run(&cut_over()).unwrap();
        }
        world.finalize(&small()).unwrap();
        same(&world.opened(NEW), &plain, asked.name());
    }
}

#[test]
fn a_partitioned_table_without_partitions_is_no_hindrance_and_may_have_some_before_it_is_over() {
    for attached in [false, true] {
        let (world, mut plain) = (empty(), Plain::new());
        for _ in 0..2 {
            assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
        }
        if attached {
            attach_more(&world, &mut plain);
        }
        assert!(world.run(&cut_over()).unwrap().is_clean());
        same(&world.opened(NEW), &plain, "plaintexts");
        world.finalize(&small()).unwrap();
    }
}

#[test]
fn nothing_is_finalized_while_a_partition_that_was_detached_may_hold_values_under_the_old_key() {
    let (mut world, plain) = parted(300);
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    world.database.psql(DETACH);
    assert!(world.run(&cut_over()).unwrap().is_clean());
    let error = world.finalize(&small()).unwrap_err();
    assert_eq!((error.kind(), phase(&world)), (Kind::Policy, Phase::Swept), "{}", error.chain());
    assert!(error.help().unwrap().contains("public.a belonged to public.secrets"), "{:?}", error.help());

    let whole = std::mem::replace(&mut world.target, target("a", "value"));
    assert!(world.run(&small()).unwrap().is_clean());
    let part = std::mem::replace(&mut world.target, whole);
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy, "it is not proven yet");
    let whole = std::mem::replace(&mut world.target, part);
    world.finalize(&small()).unwrap();
    world.target = whole;
    world.finalize(&small()).unwrap();
    world.database.psql(ATTACH);
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn no_rotation_is_over_by_a_rollback_while_a_partition_that_was_detached_may_hold_values_under_the_new_key() {
    for asked in MODES {
        let (world, plain) = parted(300);
        assert!(world.run(&mode(asked)).unwrap().is_clean());
        if asked == Mode::Staged {
            world.run(&cut_over()).unwrap();
        }
        world.database.psql(DETACH);
        match world.rollback(&small()) {
            Ok(back) => assert!(asked == Mode::Online && !back.targets[0].complete, "{asked:?}: {back:?}"),
            Err(error) => assert_eq!(error.kind(), Kind::Policy, "{asked:?}: {}", error.chain()),
        }
        assert_eq!(phase(&world), Phase::Swept, "{asked:?}");
        world.database.psql(ATTACH);
        assert!(world.rollback(&small()).unwrap().is_clean(), "{asked:?}");
        same(&world.opened(OLD), &plain, asked.name());
    }
}

#[test]
fn a_partition_that_is_dropped_or_was_of_no_rotation_that_wrote_keeps_none_open() {
    let (world, _) = parted(300);
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    world.database.psql(DETACH);
    assert!(world.rollback(&small()).unwrap().is_clean(), "nothing was put in place");
    world.database.psql(ATTACH);
    world.run_to_the_end(&small());
    world.database.psql("DROP TABLE a");
    world.finalize(&small()).unwrap();
}

#[test]
fn a_table_and_one_of_its_partitions_are_not_rotated_beside_each_other() {
    let (mut world, _) = parted(300);
    let part = target("a", "value");
    for (first, second) in [(world.target.clone(), part.clone()), (part, world.target.clone())] {
        world.target = first;
        world.run_to_the_end(&small());
        let other = format!("beside the rotation of {}", world.target);
        let first = std::mem::replace(&mut world.target, second);
        world.target.keys = keys(NEW, OTHER);
        assert!(world.plan().refusals().any(|refusal| refusal.contains(&other)), "{:?}", world.plan());
        let error = world.run(&small()).unwrap_err();
        assert!(error.kind() == Kind::Policy && error.to_string().contains(&other), "{}", error.chain());
        world.target = first;
        world.rollback(&small()).unwrap();
    }
}

#[test]
fn a_table_that_gave_its_name_to_another_is_rotated_by_itself() {
    let (mut world, _) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 40);
    world.run_to_the_end(&small());
    world.database.psql(
        "ALTER TABLE secrets RENAME TO former; CREATE TABLE secrets (LIKE former INCLUDING ALL); INSERT INTO secrets TABLE former",
    );
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy);
    let named = std::mem::replace(&mut world.target, target("former", "value"));
    world.run_to_the_end(&small());
    world.finalize(&small()).unwrap();
    world.target = named;
    world.finalize(&small()).unwrap();
}

#[test]
fn a_partition_that_finalize_has_met_keeps_it_closed_when_it_is_detached_then() {
    let (world, mut plain) = parted(60);
    world.run_to_the_end(&small());
    attach_more(&world, &mut plain);
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy, "it holds a value under the old key");
    world.database.psql("ALTER TABLE secrets DETACH PARTITION c");
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("public.c belonged to"), "{}", error.chain());
    world.database.psql("DROP TABLE c");
    world.finalize(&small()).unwrap();
}
