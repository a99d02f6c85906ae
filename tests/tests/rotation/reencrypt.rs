//! Re-encryption gives each backup a new data key, and takes the old one away only when the new one is proven.

use std::fs;

use lifeboat_core::keys::KeyKind;
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::store::layout::MANIFEST;
use lifeboat_tests::made;

use crate::world::{World, block_on, wraps_under};

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
    let object = world.path("a").join(new.object("dump-0000.sql.gz.sealed"));
    let mut bytes = fs::read(&object).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&object, bytes).unwrap();
    let told = world.rotate("reencrypt --from old --yes").run().expect(3);
    assert!(told.stderr.contains("failed: shop/"), "{}", told.stderr);
    assert!(world.path("a").join(made::path(0).object(MANIFEST)).exists(), "the only whole copy was removed");
}

#[test]
fn backups_that_are_not_encrypted_are_sealed_when_that_is_allowed() {
    let world = World::new();
    block_on(made::backups(&world.store("a"), 3, &made::LENGTHS, None)).unwrap();
    let refused = world.rotate("reencrypt --yes").run().expect(2);
    assert!(refused.stderr.contains("--allow-unencrypted"), "{}", refused.stderr);
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
    block_on(made::backups(&world.store("a"), 2, &made::LENGTHS, Some(&signed))).unwrap();
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
