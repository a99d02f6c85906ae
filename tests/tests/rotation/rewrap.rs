//! Rewrap adds wraps, and leaves alone what it must not touch.

use std::fs;

use jiff::Timestamp;
use lifeboat_core::keys::{DataKey, KeyKind, KeyState, Keyring};
use lifeboat_core::store::layout;
use lifeboat_tests::{Fault, Identity, Proxy, Seaweed, When, made, run};

use crate::world::{World, without_wraps, wraps_under};

#[test]
fn after_a_rewrap_the_new_key_alone_opens_every_backup_and_nothing_else_changed() {
    let world = World::with_backups(20);
    let before = world.files("a");
    world.rotate("verify").run().expect(12);
    let told = world.rotate("rewrap").run().expect(0);
    assert!(told.stdout.contains("22 backups open with new now"), "{}", told.stdout);
    assert!(told.stdout.contains("does not undo a leak") && told.stdout.contains("reencrypt"), "{}", told.stdout);
    let after = world.files("a");
    assert_eq!(without_wraps(&after), without_wraps(&before), "a body or a manifest changed");
    assert_eq!((wraps_under(&after, "old"), wraps_under(&after, "new")), (22, 22));
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "a wrap was changed");
    assert_eq!(world.proven(&["new"]).len(), 20);
    assert_eq!(world.proven(&["old"]).len(), 20);
    world.rotate("verify").run().expect(0);

    // Once more: nothing is written.
    let told = world.rotate("rewrap --json").run().expect(0);
    let records = told.records();
    let summary = &records.last().unwrap()["result"]["summary"];
    assert_eq!((&summary["rewrapped"], &summary["already"]), (&0.into(), &22.into()), "{summary}");
    assert_eq!(world.files("a"), after);
}

#[test]
fn the_same_holds_in_an_object_store() {
    let world = World::new();
    let bucket = Seaweed::shared().bucket("rotation");
    let environment = Seaweed::shared().environment(Identity::Admin);
    let settings = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let store = lifeboat_core::store::open(&bucket.url("prod").parse().unwrap(), &settings).unwrap();
    let seal = world.seal(&["old"]);
    run(async {
        made::backups(&store, 30, &made::LENGTHS, Some(&seal)).await.unwrap();
        made::run_details(&store, 0, &seal).await.unwrap();
    });
    let before = bucket.objects();
    let rotate =
        |line: &str| world.rotate_in(&[], line).args(["--store", &bucket.url("prod")]).envs(environment.clone());
    let told = rotate("rewrap").run().expect(0);
    assert!(told.stdout.contains("31 backups open with new now"), "{}", told.stdout);
    assert_eq!(bucket.objects().len(), before.len() + 31);
    rotate("verify").run().expect(0);
    rotate("retire --from old --yes").run().expect(0);
    assert_eq!(bucket.objects().len(), before.len());
    rotate("reencrypt --from new --to old --yes").run().expect(0);
    assert_eq!(run(made::proven(&store, &world.opens(&["old"]))).len(), 30);
    assert_eq!(bucket.open_uploads(), []);
}

#[test]
fn a_listing_of_several_pages_that_breaks_off_is_continued() {
    let world = World::new();
    let bucket = Seaweed::shared().bucket("pages");
    let settings = Seaweed::shared().environment(Identity::Admin).into_iter();
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
    let store = lifeboat_core::store::create(&bucket.url("prod").parse().unwrap(), &settings).unwrap();
    // Three objects each: a page ends within a backup.
    let seal = world.seal(&["old"]);
    run(made::backups(&store, 700, &made::SMALLEST, Some(&seal))).unwrap();
    let proxy = Proxy::before(Seaweed::shared());
    // The first page is of `backups`, and so is the second.
    proxy.on(When::operation("ListObjects").after(1).times(4), Fault::Reset);
    let told = world
        .rotate_in(&[], "rewrap --json")
        .args(["--store", &bucket.url("prod")])
        .envs(proxy.environment(Identity::Admin))
        .run()
        .expect(0);
    let records = told.records();
    assert_eq!(records.last().unwrap()["result"]["summary"]["rewrapped"], 700, "{}", told.stdout);
    let lists = proxy.operations().iter().filter(|operation| **operation == "ListObjects").count();
    assert!(lists > 5, "{lists} listings: nothing broke off");
}

#[test]
fn two_rewraps_at_once_do_no_harm() {
    let world = World::with_backups(60);
    let before = world.files("a");
    let running: Vec<_> = (0..3).map(|_| world.rotate("rewrap").spawn()).collect();
    for running in running {
        running.wait().expect(0);
    }
    assert_eq!(world.proven(&["new"]).len(), 60);
    assert_eq!(without_wraps(&world.files("a")), without_wraps(&before));
    world.rotate("verify").run().expect(0);
}

#[test]
fn a_wrap_that_does_not_hold_the_data_key_is_told_and_never_replaced() {
    let world = World::with_backups(4);
    world.rotate("rewrap").run().expect(0);
    let wrap = |n: usize, id: &str| world.path("a").join(made::path(n).object(&layout::wrap(&id.parse().unwrap())));
    let [cut, swapped, forged] = [0, 1, 2].map(|n| wrap(n, "new"));
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    fs::copy(wrap(3, "new"), &swapped).unwrap();
    // A wrap of the right backup, under the right key, of another data key.
    run(async {
        let key = DataKey::generate().unwrap();
        let made = &world.seal(&["new"]).wrap(&key, made::path(2).id.as_str()).await.unwrap()[0];
        fs::write(&forged, made.to_bytes()).unwrap();
    });
    let before = world.files("a");
    let told = world.rotate("rewrap").run().expect(3);
    for n in 0..3 {
        assert!(told.stderr.contains(&format!("failed: {}", made::path(n))), "{}", told.stderr);
    }
    assert!(told.stderr.contains("its MAC is not one of the key"), "{}", told.stderr);
    assert!(told.stderr.contains("accept the wrap: it is cut or damaged"), "{}", told.stderr);
    let hint = format!("  hint: when another wrap opens {}, delete its keys/new.json", made::path(0).id);
    assert!(told.stderr.contains(&hint), "{}", told.stderr);
    assert_eq!(world.files("a"), before);
    // The old key is not retired while a backup would not open with another.
    let refused = world.rotate("retire --from old --yes").run().expect(30);
    assert!(refused.stderr.contains(&made::path(2).to_string()), "{}", refused.stderr);
    assert_eq!(world.files("a"), before);
    // What the hint says is the remedy.
    [cut, swapped, forged].iter().for_each(|wrap| fs::remove_file(wrap).unwrap());
    world.rotate("rewrap").run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 4);
}

#[test]
fn a_forged_old_wrap_is_not_spread() {
    let world = World::with_backups(2);
    run(async {
        let key = DataKey::generate().unwrap();
        let made = &world.seal(&["old"]).wrap(&key, made::path(0).id.as_str()).await.unwrap()[0];
        let name = made::path(0).object(&layout::wrap(&"old".parse().unwrap()));
        fs::write(world.path("a").join(name), made.to_bytes()).unwrap();
    });
    let told = world.rotate("rewrap").run().expect(3);
    assert!(told.stderr.contains("its MAC is not one of the key"), "{}", told.stderr);
    assert_eq!(wraps_under(&world.files("a"), "new"), 2);
}

#[test]
fn a_recipient_gets_wraps_that_only_its_private_half_compares() {
    let world = World::with_backups(3);
    let recovery = world.path("recovery.toml");
    let x25519 = |ring: &mut Keyring| ring.add(&"recovery".parse()?, KeyKind::X25519, false, Timestamp::UNIX_EPOCH);
    Keyring::edit(&recovery, x25519).unwrap();
    let ring = Keyring::load(&recovery).unwrap();
    let recipient = ring.keys()[0].recipient().unwrap().to_string();
    let id = ring.keys()[0].public_id().to_string();
    let told = world.rotate(&format!("rewrap --to {recipient}")).run().expect(0);
    assert!(told.stdout.contains("could not be opened again to compare"), "{}", told.stdout);
    let rewrap = format!("rewrap --to {id}");
    let told = world.rotate(&rewrap).env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(0);
    assert!(told.stdout.contains("which could not be opened to compare"), "{}", told.stdout);
    let verify = format!("verify --to {id}");
    world.rotate(&verify).env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(12);
    // On the machine that holds the private half.
    let there = World { keyring: recovery, ..world };
    let alone = there.rotate(&verify).run().expect(0);
    assert!(alone.stdout.contains("4 backups"), "{}", alone.stdout);
}

#[test]
fn only_backups_under_the_named_key_are_rewrapped_and_a_retired_one_opens_when_it_is_named() {
    let world = World::with_backups(2);
    world.add("third", KeyKind::Aes256, "2026-03-01T00:00:00Z");
    let sealed = world.seal(&["new"]);
    run(made::backup(&world.store("a"), &made::path(9), &made::LENGTHS, Some(&sealed))).unwrap();
    run(made::backup(&world.store("a"), &made::path(10), &made::LENGTHS, None)).unwrap();
    let retire = |ring: &mut Keyring| ring.set_state(&"old".parse()?, KeyState::Retired, Timestamp::UNIX_EPOCH);
    Keyring::edit(&world.keyring, retire).unwrap();
    let told = world.rotate("plan").run().expect(3);
    assert!(told.stdout.contains("rewrap would make 1 backup open with third"), "{}", told.stdout);
    let told = world.rotate("rewrap --from old").run().expect(0);
    assert!(told.stdout.contains("3 backups open with third now"), "{}", told.stdout);
    assert!(told.stdout.contains("1 not under the key named by --from\n1 not encrypted"), "{}", told.stdout);
    world.rotate("rewrap").run().expect(0);
    let told = world.rotate("status").run().expect(0);
    assert!(told.stdout.contains("3 encrypted backups, 1 not encrypted, 0 unfinished"), "{}", told.stdout);
}
