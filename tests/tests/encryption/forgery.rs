//! What somebody who can write to the store, and has no secret, can pass off as a backup: nothing where signers are
//! trusted, and nothing unencrypted where encryption is configured.

use lifeboat_core::codec::Sha256;
use lifeboat_core::keys::{DataKey, KeyWrap as _, Recipient};
use lifeboat_core::manifest::Manifest;
use lifeboat_core::store::layout;
use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, SIGNER, STRANGER, public, public_id, ring};
use lifeboat_tests::{Backup, Database, Major, Postgres, run};

use crate::vault::{Vault, tiny};

/// What an attacker wants restored.
fn evil() -> Database<'static> {
    let database = Postgres::shared(Major::V15).database("evil");
    database.psql("CREATE TABLE few AS SELECT 666 AS id");
    database
}

/// Arguments of a reader with these keys who trusts [`SIGNER`] alone.
fn trusting(vault: &Vault, entries: &[&str]) -> [String; 4] {
    let config = vault.path("trusting.toml");
    std::fs::write(&config, format!("[encryption]\ntrusted_signers = [{:?}]\n", public(SIGNER))).unwrap();
    ["--config".to_owned(), config.display().to_string(), "--keyring".to_owned(), vault.keyring(entries)]
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A manifest's text with something changed, and its digest mended.
fn mended(manifest: &[u8], change: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = String::from_utf8(manifest.to_vec()).unwrap();
    let (body, _) = text.rsplit_once(",\n  \"sha256\": \"").unwrap();
    let body = change(body.to_owned());
    format!("{body},\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(body.as_bytes())).into_bytes()
}

/// The text without the line that begins so.
fn without_line(text: &str, name: &str) -> String {
    let (before, after) = text.split_once(&format!(",\n  \"{name}\": \"")).unwrap();
    let (_, rest) = after.split_once('"').unwrap();
    format!("{before}{rest}")
}

/// Puts the objects of an unencrypted backup in the place of an encrypted one's.
fn put_plain(vault: &Vault, sealed: &Backup, database: &Database<'_>) {
    let elsewhere = Vault::new();
    let plain = Backup::of(&elsewhere.backup_command(database).run().expect(0));
    for (name, bytes) in elsewhere.objects(&plain) {
        vault.bucket.write(&sealed.object(&name), bytes);
    }
    let manifest = Manifest { id: sealed.id.parse().unwrap(), ..elsewhere.manifest(&plain) };
    vault.bucket.write(&sealed.object("manifest.json"), manifest.to_bytes(None, None));
}

#[test]
fn an_unencrypted_backup_is_refused_where_keys_are_configured_and_allowed_on_request() {
    let (vault, database) = (Vault::new(), tiny());
    vault.backup_command(&database).run().expect(0);
    let keyring = vault.keyring(&[NOVEMBER]);
    let words = ["it is not encrypted, and encryption is configured", "--allow-unencrypted"];
    vault.assert_refused(&["--keyring", &keyring], 40, &words);
    let config = vault.path("recipients.toml");
    std::fs::write(&config, format!("[encryption]\nrecipients = [{:?}]\n", public(OFFLINE))).unwrap();
    vault.assert_refused(&["--config", config.to_str().unwrap()], 40, &words);

    let restored = vault.restore(database.server, &["--keyring", &keyring, "--allow-unencrypted"]);
    assert_same_but_settings(&database, &restored);
    vault.lifeboat("verify").args(["shop/latest", "--allow-unencrypted", "--keyring", &keyring]).run().expect(0);
}

#[test]
fn an_encrypted_backup_that_was_replaced_by_an_unencrypted_one_is_refused() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = vault.backup(&database, &[NOVEMBER]);
    let evil = evil();
    put_plain(&vault, &backup, &evil);
    let keyring = vault.keyring(&[NOVEMBER]);
    vault.assert_refused(&["--keyring", &keyring], 40, &["it is not encrypted, and encryption is configured"]);
    let listed = &vault.list()[0];
    assert_eq!((&listed["encrypted"], &listed["keys"]), (&false.into(), &serde_json::json!([])));
    // Whoever allows it gets it: nothing can tell that it was encrypted once.
    let restored = vault.restore(database.server, &["--keyring", &keyring, "--allow-unencrypted"]);
    assert_same_but_settings(&evil, &restored);
}

#[test]
fn a_manifest_that_contradicts_itself_about_encryption_is_refused() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = vault.backup(&database, &[NOVEMBER]);
    let (key, keyring) = (backup.object("manifest.json"), vault.keyring(&[NOVEMBER]));
    let manifest = vault.bucket.read(&key);
    let stripped = mended(&manifest, |text| without_line(&text, "mac"));
    let unsealed = mended(&manifest, |text| {
        let mut manifest = vault.manifest(&backup);
        manifest.script.iter_mut().chain(&mut manifest.attachments).for_each(|object| object.seal = None);
        let plain = String::from_utf8(manifest.to_bytes(None, None)).unwrap();
        let mac = text.rsplit_once(",\n  \"mac\"").unwrap().1;
        format!("{},\n  \"mac\"{mac}", plain.rsplit_once(",\n  \"sha256\"").unwrap().0)
    });
    let half = mended(&manifest, |_| {
        let mut manifest = vault.manifest(&backup);
        manifest.attachments[0].seal = None;
        let text = String::from_utf8(manifest.to_bytes(None, None)).unwrap();
        text.rsplit_once(",\n  \"sha256\"").unwrap().0.to_owned()
    });
    for forged in [stripped, unsealed, half] {
        vault.bucket.write(&key, forged);
        for more in [&[][..], &["--allow-unencrypted"]] {
            let arguments = [&["--keyring", &*keyring], more].concat();
            vault.assert_refused(&arguments, 30, &["both that the backup is encrypted and that it is not"]);
        }
    }
}

#[test]
fn a_manifest_that_was_edited_and_whose_digest_was_mended_is_refused() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = vault.backup(&database, &[NOVEMBER]);
    let (key, keyring) = (backup.object("manifest.json"), vault.keyring(&[NOVEMBER]));
    let manifest = vault.bucket.read(&key);
    let snapshot = vault.manifest(&backup).snapshot.to_string();
    let digest = vault.manifest(&backup).script[0].sha256.to_string();
    let edits = [
        mended(&manifest, |text| text.replace(&snapshot, "2030-01-01T00:00:00Z")),
        mended(&manifest, |text| text.replace(&digest, &"0".repeat(64))),
        mended(&manifest, |text| text.replace("\"part_bytes\": 16777216", "\"part_bytes\": 16777217")),
        mended(&manifest, |text| text.replacen("\"method\"", "\"later\": 1,\n  \"method\"", 1)),
        mended(&manifest, |text| text.replacen("{\n", "{\n\n", 1)),
    ];
    for edited in edits {
        assert_ne!(edited, manifest);
        vault.bucket.write(&key, edited);
        vault.assert_refused(&["--keyring", &keyring], 30, &["its MAC is not one of the key that opens the backup"]);
    }
}

#[test]
fn objects_that_were_exchanged_are_refused() {
    let (vault, database) = (Vault::new(), tiny());
    let [older, newer] = [(); 2].map(|()| {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        vault.backup(&database, &[NOVEMBER])
    });
    let (objects, keyring) = (vault.objects(&newer), vault.keyring(&[NOVEMBER]));
    let put = |name: &str, bytes: &[u8]| vault.bucket.write(&newer.object(name), bytes.to_vec());
    let (script, schema) = ("dump-0000.sql.gz.sealed", "schema.dump.gz.sealed");

    put(script, &objects[schema]);
    put(schema, &objects[script]);
    vault.assert_refused(&["--keyring", &keyring], 30, &["dump-0000.sql.gz.sealed has"]);
    put(schema, &objects[schema]);
    put(script, &vault.objects(&older)[script]);
    for verb in ["verify", "cat"] {
        let refused = vault.lifeboat(verb).args(["shop/latest", "--keyring", &keyring]).run().expect(30);
        assert!(refused.stderr.contains(script), "{}", refused.stderr);
    }
    put(script, &objects[script]);
    put("manifest.json", &vault.objects(&older)["manifest.json"]);
    vault.assert_refused(&["--keyring", &keyring], 30, &["lies elsewhere"]);
    put("manifest.json", &objects["manifest.json"]);
    vault.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]).run().expect(0);

    // A whole backup under a newer id, manifest and wrap made to agree.
    let moved = Backup { id: "20991231T000000Z-000000".to_owned(), result: serde_json::Value::Null };
    for (name, bytes) in vault.objects(&older) {
        let bytes = match name.as_str() {
            "manifest.json" => mended(&bytes, |text| text.replace(&older.id, &moved.id)),
            _ if name.starts_with("keys/") => {
                String::from_utf8(bytes).unwrap().replace(&older.id, &moved.id).into_bytes()
            }
            _ => bytes,
        };
        vault.bucket.write(&moved.object(&name), bytes);
    }
    vault.assert_refused(&["--keyring", &keyring], 12, &["this is not the key 2026-11 that wrapped it"]);
}

#[test]
fn a_wrap_of_another_data_key_opens_nothing() {
    let (vault, database) = (Vault::new(), tiny());
    let keyring = vault.keyring(&[NOVEMBER]);
    let recipient: Recipient = public(OFFLINE).parse().unwrap();
    let backup = vault.backup_command(&database).args(["--keyring", &keyring, "--recipient", &recipient.to_string()]);
    let backup = Backup::of(&backup.run().expect(0));
    let forged = run(recipient.wrap(&DataKey::generate().unwrap(), &backup.id)).unwrap();
    vault.bucket.write(&backup.object(&layout::wrap(recipient.id())), forged.to_bytes());
    let offline = vault.keyring(&[OFFLINE]);
    let words = ["its MAC is not one of the key that opens the backup"];
    vault.assert_refused(&["--keyring", &offline], 30, &words);
    // Whoever has the other key is not harmed.
    vault.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]).run().expect(0);
}

#[test]
fn a_backup_forged_with_the_recipient_alone_is_refused_where_signers_are_trusted() {
    let (vault, evil) = (Vault::new(), evil());
    let forge = |more: &[&str]| {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let forge = vault.backup_command(&evil).args(["--recipient", &public(OFFLINE)]).args(more);
        Backup::of(&forge.run().expect(0))
    };
    forge(&[]);
    let reader = trusting(&vault, &[OFFLINE]);
    vault.assert_refused(
        &strs(&reader),
        40,
        &["it is not signed, and only signed backups are trusted", "trusted_signers"],
    );
    // Public keys prove no author: without trusted signers it opens.
    let restored = vault.restore(evil.server, &["--keyring", &vault.keyring(&[OFFLINE])]);
    assert_same_but_settings(&evil, &restored);

    let stranger = vault.keyring(&[STRANGER]);
    let signed = forge(&["--keyring", &stranger]);
    let foreign = format!("its signer {} is not a trusted one", public_id(STRANGER));
    vault.assert_refused(&strs(&reader), 40, &[&foreign, "trusted_signers"]);

    // The stranger's signature under the trusted signer's id.
    let key = signed.object("manifest.json");
    let renamed = mended(&vault.bucket.read(&key), |text| text.replace(&public_id(STRANGER), &public_id(SIGNER)));
    vault.bucket.write(&key, renamed);
    let claimed = format!("{} did not sign this manifest", public_id(SIGNER));
    vault.assert_refused(&strs(&reader), 30, &[&claimed]);
}

#[test]
fn a_signed_backup_opens_for_those_who_trust_its_signer_until_it_is_changed() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = vault.backup(&database, &[NOVEMBER, SIGNER]);
    let reader = trusting(&vault, &[NOVEMBER]);
    assert_same_but_settings(&database, &vault.restore(database.server, &strs(&reader)));
    vault.lifeboat("verify").arg("shop/latest").args(&reader).run().expect(0);

    let key = backup.object("manifest.json");
    let manifest = vault.bucket.read(&key);
    vault.bucket.write(&key, mended(&manifest, |text| without_line(&text, "signature")));
    vault.assert_refused(&strs(&reader), 40, &["it is not signed", "--allow-unsigned"]);
    // What was taken before anybody signed is read when that is asked for.
    vault.lifeboat("verify").args(["shop/latest", "--allow-unsigned"]).args(&reader).run().expect(0);
    // An owner of the data key, who is not the signer, changes it and mends the MAC.
    let mut changed = vault.manifest(&backup);
    changed.snapshot = "2030-01-01T00:00:00Z".parse().unwrap();
    let by_owner = changed.to_bytes(Some(&vault.data_key(&backup, &[NOVEMBER])), None);
    vault.bucket.write(&key, by_owner);
    vault.assert_refused(&strs(&reader), 40, &["it is not signed"]);
    let signature = String::from_utf8(manifest.clone()).unwrap();
    let signature = signature.split_once(",\n  \"signature\"").unwrap().1.split_once(",\n").unwrap().0.to_owned();
    let by_owner = mended(&vault.bucket.read(&key), |text| format!("{text},\n  \"signature\"{signature}"));
    vault.bucket.write(&key, by_owner);
    vault.assert_refused(&strs(&reader), 30, &["did not sign this manifest"]);
    vault.bucket.write(&key, manifest);
    vault.lifeboat("verify").arg("shop/latest").args(&reader).run().expect(0);
}

#[test]
fn a_signed_backup_needs_no_encryption_to_be_trusted_but_leave() {
    let (vault, database) = (Vault::new(), tiny());
    let backup = Backup::of(&vault.backup_command(&database).run().expect(0));
    let signer = ring(&[SIGNER]).key("host").unwrap().as_signer().unwrap();
    let signed = vault.manifest(&backup).to_bytes(None, Some(&signer));
    vault.bucket.write(&backup.object("manifest.json"), signed);
    let reader = trusting(&vault, &[NOVEMBER]);
    vault.assert_refused(&strs(&reader), 40, &["it is not encrypted"]);
    let restored = vault.restore(database.server, &[&strs(&reader)[..], &["--allow-unencrypted"]].concat());
    assert_same_but_settings(&database, &restored);
}
