//! Retire deletes wraps of backups that open without them, and refuses everything else, each time with its own words.

use std::fs;

use lifeboat_core::keys::KeyKind;
use lifeboat_core::store::layout;
use lifeboat_core::{BackupId, RunId};
use lifeboat_tests::made;

use crate::world::{World, block_on, without_wraps, wraps_under};

#[test]
fn a_retired_key_opens_nothing_any_more_and_nothing_but_its_wraps_is_gone() {
    let world = World::with_backups(12);
    world.rotate("rewrap").run().expect(0);
    let before = world.files("a");
    let plan = world.rotate("retire --from old").run().expect(0);
    assert!(
        plan.stdout.contains("14 wraps to delete") && plan.stdout.contains("Nothing was changed"),
        "{}",
        plan.stdout
    );
    assert_eq!(world.files("a"), before);
    let told = world.rotate("retire --from old --yes").run().expect(0);
    assert!(told.stdout.contains("deleted 14 wraps of old") && told.stdout.contains("does not undo a leak"));
    let after = world.files("a");
    assert_eq!(without_wraps(&after), without_wraps(&before));
    assert_eq!((wraps_under(&after, "old"), wraps_under(&after, "new")), (0, 14));
    assert_eq!(world.proven(&["new"]).len(), 12);
    world.rotate("retire --from old --yes").run().expect(0);
    assert_eq!(world.files("a"), after);
}

#[test]
fn no_store_may_lose_a_backup_and_the_ones_that_would_are_named() {
    let world = World::with_backups(3);
    world.rotate("rewrap").run().expect(0);
    block_on(made::backup(&world.store("b"), &made::path(7), &made::LENGTHS, Some(&world.seal(&["old"])))).unwrap();
    let before = (world.files("a"), world.files("b"));
    let refused = world.rotate_in(&["a", "b"], "retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains(&format!("{} would not open without it", made::path(7))), "{}", refused.stderr);
    assert!(refused.stderr.contains("it has no other"), "{}", refused.stderr);
    assert_eq!((world.files("a"), world.files("b")), before);
    // With --force the rest goes; the last wrap of a backup stays.
    let told = world.rotate_in(&["a", "b"], "retire --from old --yes --force").run().expect(3);
    assert!(told.stdout.contains("deleted 4 wraps of old"), "{}", told.stdout);
    assert_eq!(world.files("b"), before.1);
    assert_eq!(world.proven_in("b", &["old"]).len(), 1);
    assert_eq!(world.proven(&["new"]).len(), 3);
}

#[test]
fn a_wrap_that_no_key_of_ours_opens_counts_only_with_force() {
    let world = World::new();
    world.add("recovery", KeyKind::X25519, "2026-01-01T00:00:00Z");
    let both = world.seal(&["old", "recovery"]);
    block_on(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&both))).unwrap();
    // The keyring without the private half.
    let text = fs::read_to_string(&world.keyring).unwrap();
    let at = text.rfind("[[key]]").unwrap();
    let (whole, without) = (text.clone(), text[..at].to_owned());
    fs::write(&world.keyring, without).unwrap();
    let refused = world.rotate("retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains("no key of ours opens"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    let told = world.rotate("retire --from old --yes --force").run().expect(0);
    assert!(told.stdout.contains("trusting another wrap that no key at hand opens"), "{}", told.stdout);
    fs::write(&world.keyring, whole).unwrap();
    assert_eq!(world.proven(&["recovery"]).len(), 2);
}

#[test]
fn a_key_in_use_is_not_retired() {
    let world = World::with_backups(1);
    world.rotate("rewrap").run().expect(0);
    let refused = world.rotate("retire --from new --yes").run().expect(40);
    assert!(refused.stderr.contains("new backups are sealed with it"), "{}", refused.stderr);
    let now = jiff::Timestamp::now().to_string();
    world.add("third", KeyKind::Aes256, &now);
    let refused = world.rotate("retire --from new --yes").run().expect(40);
    assert!(refused.stderr.contains("it was primary until"), "{}", refused.stderr);
    assert_eq!(wraps_under(&world.files("a"), "new"), 2);
    world.rotate("retire --from new --yes --force").run().expect(0);
    assert_eq!(world.proven(&["old"]).len(), 1);
}

#[test]
fn what_is_still_under_way_keeps_its_wrap() {
    let world = World::with_backups(1);
    world.rotate("rewrap").run().expect(0);
    let mut running = made::path(3);
    running.id = BackupId::generate(jiff::Timestamp::now()).unwrap();
    block_on(made::backup(&world.store("a"), &running, &made::LENGTHS, Some(&world.seal(&["old"])))).unwrap();
    fs::remove_file(world.path("a").join(running.object(layout::MANIFEST))).unwrap();
    let refused = world.rotate("retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains("it may still be under way"), "{}", refused.stderr);
    world.rotate("retire --from old --yes --force").run().expect(3);
    assert_eq!(wraps_under(&world.files("a"), "old"), 1);
}

#[test]
fn two_retires_at_once_never_take_both_wraps() {
    for _ in 0..5 {
        let world = World::new();
        world.add("third", KeyKind::Aes256, "2026-03-01T00:00:00Z");
        let both = world.seal(&["old", "new"]);
        block_on(made::backups(&world.store("a"), 25, &made::LENGTHS, Some(&both))).unwrap();
        let running: Vec<_> =
            ["old", "new"].iter().map(|id| world.rotate(&format!("retire --from {id} --yes")).spawn()).collect();
        running.into_iter().for_each(|running| _ = running.wait());
        assert_eq!(world.proven(&["old", "new"]).len(), 25);
    }
}

#[test]
fn the_details_of_a_run_are_not_lost_either() {
    let world = World::new();
    let run: RunId = block_on(made::run_details(&world.store("a"), 0, &world.seal(&["old"]))).unwrap();
    let refused = world.rotate("retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains(&format!("the details of run {run}")), "{}", refused.stderr);
    world.rotate("rewrap").run().expect(0);
    world.rotate("retire --from old --yes").run().expect(0);
    world.rotate("verify").run().expect(0);
}
