//! The states of a backup: available, damaged, expired, in flight, orphan.

use lifeboat_tests::{Lifeboat, Major};
use serde_json::Value;

use crate::shop::{Shop, Store};

const OLD: &str = "20200101T000000Z-0a0a0a";

fn states(backups: &[Value]) -> Vec<(String, String)> {
    let field = |backup: &Value, name: &str| backup[name].as_str().unwrap().to_owned();
    backups.iter().map(|backup| (field(backup, "id"), field(backup, "state"))).collect()
}

/// An id whose time is so many hours ago.
fn hours_ago(hours: i64) -> String {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(u64::try_from(hours * 3600).unwrap());
    let seconds = then.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    let format = ["-u", "-d", &format!("@{seconds}"), "+%Y%m%dT%H%M%SZ"].map(str::to_owned);
    let output = std::process::Command::new("date").args(format).output().expect("run date");
    format!("{}-0b0b0b", String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn a_run_without_a_manifest_is_in_flight_for_two_days_and_then_an_orphan() {
    let store = Store::new();
    let (young, old) = (hours_ago(47), hours_ago(49));
    for id in [&young, &old, &OLD.to_owned()] {
        store.write(&format!("backups/daily/shop/{id}/dump-0000.sql.gz"), b"cut");
    }
    assert_eq!(states(&store.list("")), [(young.clone(), "in-flight".to_owned())]);
    let orphans = [(old.clone(), "orphan".to_owned()), (OLD.to_owned(), "orphan".to_owned())];
    assert_eq!(states(&store.list("--orphans")), orphans);
    let text = store.lifeboat("list --orphans").run().expect(0).stdout;
    assert!(text.contains(&format!("shop/{OLD}")) && text.contains("orphan"), "{text}");
    assert!(text.ends_with("Lifeboat removes none of them: docs/stores.md#orphans\n"), "{text}");
    let text = store.lifeboat("list").run().expect(0).stdout;
    assert!(text.contains(&young) && text.contains("in flight") && !text.contains("orphan"), "{text}");
    assert!(!text.contains(OLD), "{text}");
}

#[test]
fn what_is_not_finished_is_never_the_latest() {
    let store = Store::new();
    store.write(&format!("backups/daily/shop/{}/dump-0000.sql.gz", hours_ago(0)), b"cut");
    crate::shop::assert_refused(store.lifeboat("verify shop/latest").run(), 10, &["shop"]);
}

#[test]
fn a_backup_that_lost_an_object_is_damaged_and_named() {
    let shop = Shop::backed_up(Major::V15);
    let lost = shop.store.objects().into_keys().find(|name| name.ends_with("/schema.dump.gz")).unwrap();
    shop.store.remove(&lost);
    let backups = shop.store.list("");
    assert_eq!(backups[0]["state"], "damaged");
    assert!(backups[0]["reason"].as_str().unwrap().contains("schema.dump.gz is missing"), "{backups:?}");
}

#[test]
fn a_backup_older_than_its_class_is_kept_is_expired_when_objects_are_gone() {
    let shop = Shop::backed_up(Major::V15);
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[retention]\nkeep_days = { daily = 30 }\n").unwrap();
    let arguments = format!("--config {}", config.path().display());
    // The same objects under an older id do not make an older backup: the manifest says what it is.
    let id = shop.id();
    for (name, bytes) in shop.store.objects() {
        if name.starts_with("backups/") {
            shop.store.write(&name.replace(&id, OLD), &bytes);
        }
    }
    let old = |arguments: &str| shop.store.list(arguments).into_iter().find(|backup| backup["id"] == OLD).unwrap();
    assert_eq!(old(&arguments)["state"], "damaged", "{:?}", old(&arguments));

    let older = Shop { database: lifeboat_tests::fixtures::small(Major::V15), store: Store::new() };
    as_of_2020(&shop, &older.store);
    assert_eq!(older.store.list(&arguments)[0]["state"], "available", "retention alone takes nothing away");
    older.store.remove(&format!("backups/daily/shop/{OLD}/schema.dump.gz"));
    assert_eq!(older.store.list(&arguments)[0]["state"], "expired");
    assert_eq!(older.store.list("")[0]["state"], "damaged", "without retention nothing expires");
}

/// The shop's backup as if it had been taken long ago: its manifest rewritten and sealed anew.
fn as_of_2020(shop: &Shop, store: &Store) {
    use lifeboat_core::manifest::StoredManifest;
    let id = shop.id();
    let folder = format!("backups/daily/shop/{id}/");
    for (name, bytes) in shop.store.objects() {
        let Some(object) = name.strip_prefix(&folder) else { continue };
        let bytes = if object == "manifest.json" {
            let mut manifest = StoredManifest::parse(bytes.into()).unwrap().manifest;
            manifest.id = OLD.parse().unwrap();
            manifest.to_bytes(None, None)
        } else {
            bytes
        };
        store.write(&format!("backups/daily/shop/{OLD}/{object}"), &bytes);
    }
}

#[test]
fn only_the_named_database_is_listed() {
    let store = Store::new();
    for name in ["shop", "billing"] {
        store.write(&format!("backups/daily/{name}/{}/dump-0000.sql.gz", hours_ago(1)), b"cut");
    }
    store.write("something/else.txt", b"not ours");
    store.write("backups/readme.txt", b"not ours");
    assert_eq!(store.list("").len(), 2);
    assert_eq!(store.list("billing").len(), 1);
    assert_eq!(store.list("--name shop").len(), 1);
    assert_eq!(store.list("nobody").len(), 0);

    // With a configuration a name that neither it nor the store knows is a slip; a database that is gone is not.
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[[database]]\nname = \"shop\"\n[[database]]\nname = \"young\"\n").unwrap();
    let configured = |arguments: &str| store.lifeboat(arguments).arg("--config").arg(config.path()).run();
    for slip in ["list --name shpo", "list shpo", "runs --name shpo", "drill list --name shpo"] {
        crate::shop::assert_refused(configured(slip), 2, &["shpo", "configured are shop, young", "billing"]);
    }
    for known in ["list --name billing", "list billing", "list --name young", "runs --name billing"] {
        configured(known).expect(0);
    }
    crate::shop::assert_refused(configured("show latest --name shpo"), 10, &["find the backup shpo/latest"]);
    // As it does without --name: of what there is no backup, nothing is proven.
    let slip = configured("drill run --name shpo").expect(31);
    assert!(slip.stdout.contains("No drill was begun"), "{}", slip.text());
}

#[test]
fn a_store_whose_host_name_does_not_resolve_is_told_after_a_second_try() {
    let credentials = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ALLOW_HTTP", "true")];
    let nowhere = Lifeboat::new().envs(credentials).env("AWS_ENDPOINT_URL", "http://nowhere.invalid:9000");
    let told = nowhere.args(["list", "--store", "s3://bucket/x"]).run().expect(75).stderr;
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("warning: attempt 1 to list backups in s3://bucket/x failed"), "{told}");
    assert!(
        lines[1].starts_with("error: list backups in s3://bucket/x: http://nowhere.invalid:9000 cannot be"),
        "{told}"
    );
    assert!(lines[2].starts_with("hint: correct the host name of the store's endpoint"), "{told}");
    assert!(lines.len() == 3 && lines.iter().all(|line| line.len() < 250), "{told}");
}
