//! Retire deletes wraps of backups that open without them, and refuses everything else, each time with its own words.

use std::fs;
use std::time::Duration;

use lifeboat_core::keys::KeyKind;
use lifeboat_core::store::layout;
use lifeboat_core::{BackupId, RunId};
use lifeboat_tests::{Running, made, run};
use rustix::process::Signal;

use crate::world::{World, without_wraps, wraps_under};

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
    // Again it is done already, and asked for a plan it says where anything lies.
    let again = world.rotate("retire --from old --yes").run().expect(0);
    assert!(again.stdout.contains("no wrap is, in"), "{}", again.stdout);
    let nothing = world.rotate("retire --from old").run().expect(10);
    assert!(nothing.stderr.contains("find what is under old: no wrap is, in"), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("hint: there are wraps under: new"), "{}", nothing.stderr);
    assert_eq!(world.files("a"), after);
}

#[test]
fn no_store_may_lose_a_backup_and_the_ones_that_would_are_named() {
    let world = World::with_backups(3);
    world.rotate("rewrap").run().expect(0);
    run(made::backup(&world.store("b"), &made::path(7), &made::LENGTHS, Some(&world.seal(&["old"])))).unwrap();
    let before = (world.files("a"), world.files("b"));
    let refused = world.rotate_in(&["a", "b"], "retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains(&format!("{} would not be safe without it", made::path(7))), "{}", refused.stderr);
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
    run(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&both))).unwrap();
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
    assert!(refused.stderr.contains("hint: wait until 20"), "{}", refused.stderr);
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
    run(made::backup(&world.store("a"), &running, &made::LENGTHS, Some(&world.seal(&["old"])))).unwrap();
    fs::remove_file(world.path("a").join(running.object(layout::MANIFEST))).unwrap();
    let refused = world.rotate("retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains("it may still be under way"), "{}", refused.stderr);
    assert!(refused.stderr.contains("wait for that run to end, at the latest until 20"), "{}", refused.stderr);
    world.rotate("retire --from old --yes --force").run().expect(3);
    assert_eq!(wraps_under(&world.files("a"), "old"), 1);
}

/// Backups that two keys open, neither of which seals new ones.
fn under_two_keys_of_the_past() -> World {
    let world = World::new();
    world.add("third", KeyKind::Aes256, "2026-03-01T00:00:00Z");
    let both = world.seal(&["old", "new"]);
    run(made::backups(&world.store("a"), 25, &made::LENGTHS, Some(&both))).unwrap();
    world
}

fn two_retires(world: &World, options: &str) -> [Running; 2] {
    ["old", "new"].map(|id| world.rotate(&format!("retire --from {id} --yes{options}")).spawn())
}

#[test]
fn no_backup_is_left_to_a_key_that_may_be_retired_at_the_same_time() {
    let world = under_two_keys_of_the_past();
    let before = world.files("a");
    for running in two_retires(&world, "") {
        let refused = running.wait().expect(40);
        assert!(refused.stderr.contains("new backups are not sealed with that"), "{}", refused.stderr);
    }
    assert_eq!(world.files("a"), before);
    world.rotate("rewrap").run().expect(0);
    for running in two_retires(&world, "") {
        running.wait().expect(0);
    }
    assert_eq!(world.proven(&["third"]).len(), 25);
    assert_eq!((wraps_under(&world.files("a"), "old"), wraps_under(&world.files("a"), "new")), (0, 0));
}

#[test]
fn two_forced_retires_at_once_never_take_both_wraps() {
    let mut deleted = 0;
    for _ in 0..5 {
        let world = under_two_keys_of_the_past();
        for running in two_retires(&world, " --force") {
            let code = running.wait().code();
            assert!([0, 3, 10, 40].contains(&code), "{code}");
        }
        assert_eq!(world.proven(&["old", "new"]).len(), 25);
        deleted += 50 - wraps_under(&world.files("a"), "old") - wraps_under(&world.files("a"), "new");
    }
    assert!(deleted > 0, "neither deleted anything");
}

#[test]
fn two_forced_retires_that_are_asked_to_end_put_back_what_they_deleted() {
    for wait in [4, 8, 12, 16, 20, 24, 28, 32] {
        let world = under_two_keys_of_the_past();
        let running = two_retires(&world, " --force");
        std::thread::sleep(Duration::from_millis(wait));
        running.iter().filter(|running| running.is_running()).for_each(|running| running.signal(Signal::TERM));
        for running in running {
            let code = running.wait().code();
            assert!([0, 3, 10, 40, 143].contains(&code), "{code}");
        }
        assert_eq!(world.proven(&["old", "new"]).len(), 25);
    }
}

#[test]
fn the_key_that_is_named_must_open_what_is_left() {
    let world = under_two_keys_of_the_past();
    let before = world.files("a");
    for line in ["retire --from old --to third --yes", "retire --from old --to third --yes --force"] {
        let refused = world.rotate(line).run().expect(40);
        assert!(refused.stderr.contains("it has no other under third"), "{}", refused.stderr);
    }
    world.rotate("retire --from old --to old --yes").run().expect(2);
    assert_eq!(world.files("a"), before);
    world.rotate("rewrap --from old --to third").run().expect(0);
    world.rotate("retire --from old --to third --yes").run().expect(0);
    assert_eq!(world.proven(&["third"]).len(), 25);
}

#[test]
fn a_forged_backup_is_no_proof_against_the_wrap_of_the_true_data_key() {
    let world = World::with_backups(3);
    world.rotate("rewrap").run().expect(0);
    // Whoever knows a key that wraps makes a backup of his own, and leaves the old wrap where it is.
    run(made::backup(&world.store("forged"), &made::path(1), &made::LENGTHS, Some(&world.seal(&["new"])))).unwrap();
    for (name, bytes) in world.files("forged") {
        fs::write(world.path("a").join(name), bytes).unwrap();
    }
    let before = world.files("a");
    let refused = world.rotate("retire --from old --yes").run().expect(30);
    assert!(refused.stderr.contains("old does not open to the data key that new does"), "{}", refused.stderr);
    assert_eq!(world.files("a"), before);
    world.rotate("retire --from old --yes --force").run().expect(3);
    let after = world.files("a");
    let kept = made::path(1).object(&layout::wrap(&"old".parse().unwrap()));
    assert_eq!((wraps_under(&after, "old"), after.get(&kept)), (1, before.get(&kept)));
}

#[test]
fn a_backup_of_an_author_who_is_not_trusted_is_no_proof() {
    let world = World::with_backups(1);
    world.rotate("rewrap").run().expect(0);
    world.add("sign", KeyKind::Ed25519, "2026-01-01T00:00:00Z");
    let signer = world.ring().key("sign").unwrap().signer_key().unwrap().to_string();
    let before = world.files("a");
    let refused = world.rotate("retire --from old --yes").env("LIFEBOAT_TRUSTED_SIGNERS", signer).run().expect(40);
    assert!(refused.stderr.contains("it is not signed"), "{}", refused.stderr);
    assert_eq!(world.files("a"), before);
}

#[test]
fn a_key_that_nobody_knows_is_not_taken_for_one_that_is_gone() {
    let world = World::with_backups(1);
    for command in ["retire", "rewrap", "plan", "reencrypt"] {
        let refused = world.rotate(&format!("{command} --from nosuch")).run().expect(10);
        assert!(refused.stderr.contains("no key and no wrap is called nosuch"), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: keys: old, new; wraps: old"), "{}", refused.stderr);
    }
    // A key of which only wraps are left is known by these.
    world.rotate("rewrap").run().expect(0);
    let text = fs::read_to_string(&world.keyring).unwrap();
    let tables: Vec<_> = text.match_indices("[[key]]").map(|(at, _)| at).collect();
    fs::write(&world.keyring, format!("{}{}", &text[..tables[0]], &text[tables[1]..])).unwrap();
    world.rotate("retire --from old --yes").run().expect(0);
    assert_eq!(wraps_under(&world.files("a"), "old"), 0);
}

#[test]
fn the_details_of_a_run_are_not_lost_either() {
    let world = World::new();
    let run: RunId = run(made::run_details(&world.store("a"), 0, &world.seal(&["old"]))).unwrap();
    let refused = world.rotate("retire --from old --yes").run().expect(40);
    assert!(refused.stderr.contains(&format!("the details of run {run}")), "{}", refused.stderr);
    world.rotate("rewrap").run().expect(0);
    world.rotate("retire --from old --yes").run().expect(0);
    world.rotate("verify").run().expect(0);
}
