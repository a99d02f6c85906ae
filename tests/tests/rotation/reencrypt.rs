//! Re-encryption gives each backup a new data key, and takes the old one away only when the new one is proven.

use std::fs;

use jiff::Timestamp;
use lifeboat_core::codec::Sha256;
use lifeboat_core::keys::{KeyKind, KeyState, Keyring};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::store::UploadOptions;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_rotate::backups::{
    ReencryptKeys, ReencryptOptions, Replacement, RotateOptions, plan_reencrypt, remove_replaced,
};
use lifeboat_tests::{made, run};

use crate::world::{World, copy, wraps_under};

#[test]
fn each_backup_gets_a_new_id_and_key_and_holds_what_it_held() {
    let world = World::with_backups(5);
    let before = world.files("a");
    let old = world.proven(&["old"]);
    let plan = world.rotate("reencrypt --from old").run().expect(0);
    assert!(plan.stdout.contains("5 backups to seal anew") && plan.stdout.contains("Nothing was changed"));
    assert_eq!(world.files("a"), before);
    let told = world.rotate("reencrypt --from old --yes").run().expect(0);
    assert!(
        told.stdout.contains("sealed 5 backups anew") && told.stdout.contains("removed 5 backups"),
        "{}",
        told.stdout
    );
    let new = world.proven(&["new"]);
    assert_eq!(new.len(), 5);
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old.id.start(), new.id.start());
        assert_ne!(old.id, new.id);
        let bytes = fs::read(world.path("a").join(new.object(MANIFEST))).unwrap();
        assert_eq!(StoredManifest::parse(bytes.into()).unwrap().manifest.reencrypted_from, Some(old.id.clone()));
    }
    let after = world.files("a");
    let backups: Vec<_> = after.keys().filter(|name| name.starts_with("backups/")).collect();
    assert!(backups.iter().all(|name| !old.iter().any(|path| name.contains(path.id.as_str()))), "{backups:?}");
    assert_eq!(wraps_under(&after, "new"), 5);
    // What runs sealed stays under its key.
    assert_eq!(wraps_under(&after, "old"), 1);
    world.rotate("reencrypt --from old --yes").run().expect(0);
    assert_eq!(world.files("a"), after);
}

#[test]
fn old_backups_may_be_kept_and_are_removed_by_a_later_run() {
    let world = World::with_backups(3);
    world.rotate("reencrypt --from old --yes --keep").run().expect(0);
    assert_eq!(world.proven(&["old", "new"]).len(), 6);
    let plan = world.rotate("reencrypt --from old").run().expect(0);
    assert!(plan.stdout.contains("0 backups to seal anew"), "{}", plan.stdout);
    assert!(plan.stdout.contains("3 backups to remove, which an earlier run sealed anew"), "{}", plan.stdout);
    world.rotate("reencrypt --from old --yes").run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 3);
}

#[test]
fn a_backup_is_not_removed_for_one_that_does_not_hold_the_same() {
    let world = World::with_backups(2);
    world.rotate("reencrypt --from old --yes --keep").run().expect(0);
    let new = world.proven(&["old", "new"]).into_iter().find(|path| *path != made::path(0)).unwrap();
    damage(&world, "a", &new);
    let told = world.rotate("reencrypt --from old --yes").run().expect(3);
    assert!(told.stderr.contains(&format!("failed: {}: prove {new}", made::path(0))), "{}", told.stderr);
    assert!(told.stderr.contains(&format!("read {}", new.object("dump-0000.sql.gz.sealed"))), "{}", told.stderr);
    let hint = format!("hint: {} is whole: delete {new} and run this again", made::path(0));
    assert!(told.stderr.contains(&hint), "{}", told.stderr);
    assert!(world.path("a").join(made::path(0).object(MANIFEST)).exists(), "the only whole copy was removed");
    fs::remove_dir_all(world.path("a").join(new.object(""))).unwrap();
    world.rotate("reencrypt --from old --yes").run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 2);
}

#[test]
fn what_was_proven_in_one_store_is_not_proven_in_another() {
    let world = World::with_backups(2);
    copy(&world.path("a"), &world.path("b"));
    world.rotate_in(&["b"], "reencrypt --from old --yes --keep").run().expect(0);
    let sealed_anew = |path: &BackupPath| (0..2).all(|n| *path != made::path(n));
    let new = world.proven_in("b", &["old", "new"]).into_iter().find(sealed_anew).unwrap();
    damage(&world, "b", &new);
    world.rotate_in(&["a", "b"], "reencrypt --from old --yes").run().expect(3);
    assert_eq!(world.proven(&["new"]).len(), 2);
    let only = (0..2).map(made::path).find(|path| path.id.start() == new.id.start()).unwrap();
    assert!(world.path("b").join(only.object(MANIFEST)).exists(), "the only whole copy was removed");
}

#[test]
fn a_proof_is_of_two_backups_and_of_no_third() {
    let world = World::with_backups(1);
    world.rotate("reencrypt --from old --yes --keep").run().expect(0);
    let new = world.proven(&["old", "new"]).into_iter().find(|path| *path != made::path(0)).unwrap();
    damage(&world, "a", &new);
    let stores = [world.store("a")];
    let keys =
        ReencryptKeys { open: world.opens(&["old", "new"]), seal: world.seal(&["new"]), own_signers: Vec::new() };
    let options = ReencryptOptions {
        from: Some("old".parse().unwrap()),
        before: None,
        state_dir: world.path("state"),
        upload: UploadOptions::default(),
        force: false,
        rotate: RotateOptions::default(),
    };
    let silent = || std::sync::Arc::new(lifeboat_core::monitor::Silent);
    let removed = run(async {
        let plan = plan_reencrypt(&stores, &keys, &options, silent()).await.unwrap();
        assert_eq!((plan.remove.len(), &plan.remove[0].replaced_by), (1, &new));
        let proven =
            [(1, new.clone()), (0, made::path(1))].map(|(store, new)| Replacement { store, old: made::path(0), new });
        remove_replaced(&stores, &plan, &proven, &keys, &options, silent()).await.unwrap()
    });
    assert_eq!((removed.removed, removed.failed.count), (0, 1));
    assert!(world.path("a").join(made::path(0).object(MANIFEST)).exists(), "the only whole copy was removed");
}

#[test]
fn two_at_once_write_nothing_twice_and_what_was_written_twice_is_told() {
    let world = World::with_backups(12);
    let running: Vec<_> = (0..2).map(|_| world.rotate("reencrypt --from old --yes").spawn()).collect();
    let mut codes: Vec<_> = running.into_iter().map(|running| running.wait().code()).collect();
    codes.sort_unstable();
    assert!(codes == [0, 11] || codes == [0, 0], "{codes:?}");
    assert_eq!(world.proven(&["new"]).len(), 12);

    // On another host nothing holds them apart.
    let world = World::with_backups(1);
    copy(&world.path("a"), &world.path("b"));
    for store in ["a", "b"] {
        world.rotate_in(&[store], "reencrypt --from old --yes").run().expect(0);
    }
    for (name, bytes) in world.files("b").into_iter().filter(|(name, _)| name.starts_with("backups/")) {
        let path = world.path("a").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let told = world.rotate("reencrypt --from old").run().expect(0);
    let both = world.proven(&["new"]);
    let words = format!("{} and {} are one backup sealed anew twice", both[0], both[1]);
    assert!(told.stdout.contains(&words), "{}", told.stdout);
}

#[test]
fn a_recipient_is_not_dropped_in_silence() {
    let world = World::new();
    world.add("recovery", KeyKind::X25519, "2026-01-01T00:00:00Z");
    let both = world.seal(&["old", "recovery"]);
    run(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&both))).unwrap();
    let ring = world.ring();
    let recovery = ring.key("recovery").unwrap();
    let before = world.files("a");
    for line in ["reencrypt --from old", "reencrypt --from old --yes"] {
        let refused = world.rotate(line).run().expect(40);
        assert!(refused.stderr.contains(&format!("{} (2)", recovery.public_id())), "{}", refused.stderr);
        assert!(refused.stderr.contains("give --force"), "{}", refused.stderr);
    }
    assert_eq!(world.files("a"), before);
    let forced = world.rotate("reencrypt --from old --force").run().expect(0);
    let lost = format!("2 backups opened with {} so far: the new ones will not", recovery.public_id());
    assert!(forced.stdout.contains(&lost), "{}", forced.stdout);
    assert!(forced.stderr.contains("only the key new opens this backup"), "{}", forced.stderr);
    let recipient = recovery.recipient().unwrap().to_string();
    let told = world.rotate("reencrypt --from old --yes").env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(0);
    assert!(!told.stderr.contains("only the key"), "{}", told.stderr);
    assert_eq!(world.proven(&["recovery"]).len(), 2);
    assert_eq!(world.proven(&["new"]).len(), 2);

    let line = format!("reencrypt --from {recipient} --yes");
    let again = world.rotate(&line).env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(40);
    assert!(again.stderr.contains("hint: take it out of `recipients`"), "{}", again.stderr);
    let nobody = world.rotate("rewrap --to nobody").env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(12);
    let configured = format!("configured recipients: {}", recovery.public_id());
    assert!(nobody.stderr.contains(&configured), "{}", nobody.stderr);
}

#[test]
fn what_a_retired_or_untrusted_signer_signed_is_not_signed_anew() {
    let world = World::new();
    world.add("leaked", KeyKind::Ed25519, "2026-01-01T00:00:00Z");
    world.add("sign", KeyKind::Ed25519, "2026-02-01T00:00:00Z");
    let signed = world.seal(&["old", "leaked"]);
    run(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&signed))).unwrap();
    let before = world.files("a");
    let (line, ring) = ("reencrypt --from old --yes", world.ring());
    let signer = |id: &str| ring.key(id).unwrap().signer_key().unwrap().to_string();
    let refused = world.rotate(line).env("LIFEBOAT_TRUSTED_SIGNERS", signer("sign")).run().expect(40);
    assert!(refused.stderr.contains("is not a trusted one"), "{}", refused.stderr);
    let retire = |ring: &mut Keyring| ring.set_state(&"leaked".parse()?, KeyState::Retired, Timestamp::UNIX_EPOCH);
    Keyring::edit(&world.keyring, retire).unwrap();
    let refused = world.rotate(line).run().expect(40);
    assert!(refused.stderr.contains("is not a trusted one"), "{}", refused.stderr);
    let plan = world.rotate("reencrypt --from old").run().expect(3);
    assert!(plan.stdout.contains("0 backups to seal anew"), "{}", plan.stdout);
    assert!(plan.stdout.contains("2 backups would be refused, and stay as they are"), "{}", plan.stdout);
    assert!(plan.stdout.contains("is not a trusted one"), "{}", plan.stdout);
    assert_eq!(world.files("a"), before);
    let both = format!("{} {}", signer("sign"), signer("leaked"));
    world.rotate(line).env("LIFEBOAT_TRUSTED_SIGNERS", both).run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 2);
}

/// Changes a byte in the middle of a backup's first object.
fn damage(world: &World, store: &str, path: &BackupPath) {
    let object = world.path(store).join(path.object("dump-0000.sql.gz.sealed"));
    let mut bytes = fs::read(&object).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&object, bytes).unwrap();
}

#[test]
fn backups_that_are_not_encrypted_are_sealed_when_that_is_allowed() {
    let world = World::new();
    run(made::backups(&world.store("a"), 3, &made::LENGTHS, None)).unwrap();
    let refused = world.rotate("reencrypt --yes").run().expect(2);
    assert!(refused.stderr.contains("--allow-unencrypted"), "{}", refused.stderr);
    // One is of a later release: what its manifest says is not to be lost.
    let manifest = world.path("a").join(made::path(0).object(MANIFEST));
    let (ours, before) = (fs::read_to_string(&manifest).unwrap(), world.files("a").len());
    let body = ours.rsplit_once(",\n  \"sha256\"").unwrap().0.to_owned() + ",\n  \"later\": true";
    fs::write(&manifest, format!("{body},\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(body.as_bytes()))).unwrap();
    let told = world.rotate("reencrypt --allow-unencrypted --yes --keep").run().expect(3);
    let unknown = "does not know all that its manifest says in later";
    assert!(told.stdout.contains(unknown) && told.stderr.contains(unknown), "{}{}", told.stdout, told.stderr);
    assert!(world.files("a").len() > before, "the others are sealed anew");
    fs::write(&manifest, ours).unwrap();
    world.rotate("reencrypt --allow-unencrypted --yes").run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 3);
    assert!(world.files("a").keys().all(|name| !name.ends_with(".gz")), "something unsealed is left");
}

#[test]
fn backups_whose_leaked_wraps_are_gone_are_found_by_their_age() {
    let world = World::with_backups(3);
    let line = "reencrypt --before 2026-06-01T00:00:00Z --to old --yes";
    let told = world.rotate(line).run().expect(0);
    assert!(told.stdout.contains("sealed 3 backups anew"), "{}", told.stdout);
    let after = world.files("a");
    world.rotate(line).run().expect(0);
    assert_eq!(world.files("a"), after, "what was sealed anew is younger");
    assert_eq!(world.proven(&["old"]).len(), 3);
    world.rotate("reencrypt --before 2126-01-01T00:00:00Z").run().expect(2);
}

#[test]
fn new_backups_are_never_under_the_key_that_leaked() {
    let world = World::with_backups(1);
    let refused = world.rotate("reencrypt --from new --yes").run().expect(40);
    assert!(refused.stderr.contains("would be under new again"), "{}", refused.stderr);
    assert!(refused.stderr.contains("make another key primary first"), "{}", refused.stderr);
}

#[test]
fn a_signed_backup_is_signed_anew_or_refused() {
    let world = World::new();
    world.add("sign", KeyKind::Ed25519, "2026-01-01T00:00:00Z");
    let signed = world.seal(&["old", "sign"]);
    run(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&signed))).unwrap();
    let whole = fs::read_to_string(&world.keyring).unwrap();
    fs::write(&world.keyring, &whole[..whole.rfind("[[key]]").unwrap()]).unwrap();
    let refused = world.rotate("reencrypt --from old --yes").run().expect(40);
    assert!(
        refused.stderr.contains("it is signed, and there is no key to sign the new one with"),
        "{}",
        refused.stderr
    );
    fs::write(&world.keyring, &whole).unwrap();
    world.rotate("reencrypt --from old --yes").run().expect(0);
    let signer = world.ring().key("sign").unwrap().signer_key().unwrap().clone();
    for path in world.proven(&["new"]) {
        let bytes = fs::read(world.path("a").join(path.object(MANIFEST))).unwrap();
        let stored = StoredManifest::parse(bytes.into()).unwrap();
        let judge = lifeboat_core::keys::OpenKeys { trusted_signers: vec![signer.clone()], ..world.opens(&[]) };
        stored.judge(&judge, "shop").unwrap();
    }
}
