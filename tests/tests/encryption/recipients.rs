//! A host that has only recipients: it backs up, it proves what is stored, and it cannot read.

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, public, public_id};
use lifeboat_tests::{Backup, Lifeboat, Major, fixtures};
use serde_json::Value;

use crate::vault::{Vault, tiny};

/// A command of a host whose environment names a recipient, and no keyring.
fn on_host(command: Lifeboat) -> Lifeboat {
    command.env("LIFEBOAT_RECIPIENTS", public(OFFLINE))
}

#[test]
fn it_backs_up_and_whoever_has_the_private_key_elsewhere_restores() {
    let (vault, original) = (Vault::new(), fixtures::hard(Major::V15));
    let taken = on_host(vault.backup_command(&original)).run().expect(0);
    assert_eq!(taken.result()["backups"][0]["keys"], serde_json::json!([public_id(OFFLINE)]));
    let backup = Backup::of(&taken);
    let wraps: Vec<_> = vault.objects(&backup).into_keys().filter(|name| name.starts_with("keys/")).collect();
    assert_eq!(wraps, [format!("keys/{}.json", public_id(OFFLINE))]);
    let keyring = vault.keyring(&[OFFLINE]);
    assert_same(&original, &vault.restore(original.server, &["--keyring", &keyring]));
    let verified = vault.lifeboat("verify").args(["shop/latest", "--json", "--keyring", &keyring]).run().expect(0);
    assert!(verified.result()["rows"].as_u64().unwrap() > 100);
}

#[test]
fn its_verify_proves_what_is_stored_and_says_what_it_cannot_check() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = Backup::of(&on_host(vault.backup_command(&database)).run().expect(0));
    let verify = || on_host(vault.lifeboat("verify").arg("shop/latest"));
    let told = verify().run().expect(0).stdout;
    assert!(told.contains("stored bytes whole") && !told.contains("rows compared"), "{told}");
    let unchecked: Vec<_> = told.lines().filter(|line| line.starts_with("not checked: ")).collect();
    let words = ["whether the wraps open", "who wrote the manifest", "fingerprints"];
    assert_eq!(unchecked.len(), words.len(), "{told}");
    assert!(unchecked.iter().zip(words).all(|(line, words)| line.contains(words)), "{told}");
    let told = verify().arg("--json").run().expect(0).result();
    assert_eq!((&told["rows"], &told["sql_bytes"]), (&Value::Null, &Value::Null));
    assert_eq!(told["unchecked"].as_array().unwrap().len(), 3);
    let stored: u64 = vault.manifest(&backup).stored_bytes();
    assert_eq!(told["stored_bytes"], stored);

    for (name, bytes) in vault.objects(&backup) {
        if !name.ends_with(".sealed") {
            continue;
        }
        for at in [0, 30, bytes.len() / 2, bytes.len() - 1] {
            vault.bucket.damage(&backup.object(&name), |bytes| bytes[at] ^= 1);
            let refused = verify().run().expect(30);
            assert!(refused.stderr.contains(&name), "{name}: {}", refused.stderr);
            vault.bucket.write(&backup.object(&name), bytes.clone());
        }
    }
    verify().run().expect(0);
    let wrap = backup.object(&format!("keys/{}.json", public_id(OFFLINE)));
    let whole = vault.bucket.read(&wrap);
    vault.bucket.write(&wrap, whole[..50].to_vec());
    let refused = verify().run().expect(30);
    assert!(refused.stderr.contains("no wrap of its data key is whole"), "{}", refused.stderr);
    vault.bucket.write(&wrap, whole);
    vault.bucket.damage(&backup.object("manifest.json"), |bytes| bytes[40] ^= 1);
    verify().run().expect(30);
}

#[test]
fn it_cannot_read_what_it_wrote() {
    let (vault, database) = (Vault::new(), tiny());
    Backup::of(&on_host(vault.backup_command(&database)).run().expect(0));
    let opens = format!("it opens with {}", public_id(OFFLINE));
    let (to, sealed) = (vault.path("opened"), vault.path("sealed"));
    let target = database.server.database("empty");
    let commands = [
        vault.lifeboat("show").arg("shop/latest"),
        vault.lifeboat("cat").arg("shop/latest"),
        vault.lifeboat("download").args(["shop/latest", "--to"]).arg(&to),
        vault.restore_command(database.server, &target.name),
        vault.restore_command(database.server, "never_made").arg("--create"),
    ];
    for command in commands {
        let refused = on_host(command).run().expect(12);
        assert!(refused.stderr.contains(&opens), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert!(!to.exists());
    assert_eq!(target.psql("SELECT count(*) FROM pg_class WHERE relname = 'few'"), "0");
    on_host(vault.lifeboat("download").args(["shop/latest", "--sealed", "--to"]).arg(&sealed)).run().expect(0);
}

#[test]
fn a_single_key_is_warned_of_and_two_are_not() {
    let (vault, database) = (Vault::new(), tiny());
    let warnings = |command: Lifeboat| {
        let outcome = command.run().expect(0);
        outcome.result()["backups"][0]["warnings"].to_string()
    };
    let only = warnings(on_host(vault.backup_command(&database)));
    assert!(only.contains(&format!("only the key {} opens this backup", public_id(OFFLINE))), "{only}");
    let keyring = vault.keyring(&[NOVEMBER]);
    let both = warnings(on_host(vault.backup_command(&database)).args(["--keyring", &keyring]));
    assert!(!both.contains("only the key"), "{both}");
}

#[test]
fn a_private_key_given_as_a_recipient_is_refused_and_not_repeated() {
    let (vault, database) = (Vault::new(), tiny());
    let secret = OFFLINE.split('"').rev().nth(1).unwrap();
    for recipient in [secret.to_owned(), format!("x25519:{}", &secret[1..]), format!("ed25519:{secret}")] {
        let refused = vault.backup_command(&database).args(["--recipient", &recipient]).run().expect(78);
        assert!(!refused.text().contains(&secret[8..40]), "{}", refused.text());
    }
    assert!(vault.bucket.objects().is_empty());
}
