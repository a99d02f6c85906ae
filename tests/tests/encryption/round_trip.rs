//! What was sealed comes back with the key, whole and by the ways that unencrypted backups come back.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, public, public_id};
use lifeboat_tests::proxy::Call;
use lifeboat_tests::stock::assert_psql_makes_it_of;
use lifeboat_tests::{Backup, Database, Fault, Identity, Major, Proxy, Seaweed, When, files, fixtures, unused_name};

use crate::vault::Vault;

/// Backs up with a key that may only write; gives the calls.
fn calls_of_a_backup(vault: &Vault, database: &Database<'_>, keyring: &str) -> Vec<Call> {
    let proxy = Proxy::before(Seaweed::shared());
    let backup = vault.backup_command(database).args(["--keyring", keyring]);
    Backup::of(&backup.envs(proxy.environment(Identity::Writer)).run().expect(0));
    let calls = proxy.calls();
    assert!(calls.iter().all(|call| call.status.is_some_and(|status| status < 300)), "{calls:?}");
    calls
}

/// What stock pg_dump prints with the options and under the settings that the format promises.
fn dump_of_stock(database: &Database<'_>) -> Vec<u8> {
    let settings = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c lc_monetary=C";
    let mut pg_dump = database.server.client("pg_dump", &database.name);
    let output = pg_dump.arg("--quote-all-identifiers").env("PGOPTIONS", settings).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn comes_back_after_two_commands(major: Major) {
    let (vault, original) = (Vault::new(), fixtures::hard(major));
    let keyring = vault.path("keyring.toml");
    let generate = lifeboat_tests::Lifeboat::new().args(["key", "generate", "--id", "2026-11", "--out"]).arg(&keyring);
    generate.run().expect(0);
    let keyring = format!("file:{}", keyring.display());
    let calls = calls_of_a_backup(&vault, &original, &keyring);
    assert_eq!(calls.iter().map(Call::operation).collect::<BTreeSet<_>>(), BTreeSet::from(["PutObject"]));
    let keys: Vec<_> = calls.iter().map(|call| call.key().rsplit('/').next().unwrap().to_owned()).collect();
    assert!(keys[0].ends_with(".start.json"), "{keys:?}");
    assert_eq!(keys[1], "2026-11.json", "the wrap comes before anything that it opens");
    assert_eq!(keys[keys.len() - 2], "manifest.json");

    assert_same(&original, &vault.restore(original.server, &["--keyring", &keyring]));
    let empty = original.server.database("empty");
    vault.restore_command(original.server, &empty.name).args(["--jobs", "4", "--keyring", &keyring]).run().expect(0);
    assert_same_but_settings(&original, &empty);
    let verified = vault.lifeboat("verify").args(["shop/latest", "--json", "--keyring", &keyring]).run().expect(0);
    assert_eq!(verified.result()["unchecked"].as_array().unwrap().len(), 0);
    assert!(verified.result()["rows"].as_u64().unwrap() > 100);
}

#[test]
fn a_database_comes_back_encrypted_on_15() {
    comes_back_after_two_commands(Major::V15);
}

#[test]
fn a_backup_whose_wraps_cannot_be_stored_dumps_nothing() {
    let (vault, original) = (Vault::new(), fixtures::small(Major::V15));
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.key().contains("/keys/")), Fault::ACCESS_DENIED);
    let backup = vault.backup_command(&original).args(["--keyring", &vault.keyring(&[NOVEMBER])]);
    let failed = backup.envs(proxy.environment(Identity::Writer)).run().expect(78);
    assert!(failed.text().contains("keys/2026-11.json"), "{}", failed.text());
    let left: Vec<_> = vault.bucket.objects().into_keys().filter(|key| !key.contains("/runs/")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(vault.bucket.objects().keys().any(|key| key.ends_with(".end.json")), "the run's end is recorded");
}

#[test]
fn a_bit_that_flips_on_the_way_back_is_refused_and_no_database_is_left() {
    let (vault, original) = (Vault::new(), fixtures::small(Major::V15));
    vault.backup(&original, &[NOVEMBER]);
    let (keyring, name) = (vault.keyring(&[NOVEMBER]), unused_name("flipped"));
    for object in ["dump-0000.sql.gz.sealed", "index.json.gz.sealed", "keys/2026-11.json", "manifest.json"] {
        let proxy = Proxy::before(Seaweed::shared());
        let wanted = move |call: &Call| call.operation() == "GetObject" && call.key().ends_with(object);
        proxy.on(When::call(wanted), Fault::FlipResponse(if object.starts_with("keys") { 200 } else { 700 }));
        let restore = vault.restore_command(original.server, &name).args(["--create", "--keyring", &keyring]);
        let refused = restore.envs(proxy.environment(Identity::Reader)).run();
        assert!([12, 30].contains(&refused.code()), "{object}: {}", refused.text());
        assert_eq!(original.server.databases_like(&name), "", "{object}");
    }
}

#[test]
fn what_cat_prints_is_what_an_unencrypted_backup_prints_and_psql_restores() {
    let (sealed, open, original) = (Vault::new(), Vault::new(), fixtures::hard(Major::V18));
    let keyring = sealed.keyring(&[NOVEMBER]);
    sealed.backup(&original, &[NOVEMBER]);
    open.backup_command(&original).run().expect(0);
    let printed = |command: lifeboat_tests::Lifeboat| {
        let output = command.arg("shop/latest").command().output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let script = printed(sealed.lifeboat("cat").args(["--keyring", &keyring]));
    // The token of \restrict differs from dump to dump.
    let lines = |script: &[u8]| {
        let lines = script.split(|byte| *byte == b'\n').filter(|line| !line.windows(8).any(|w| w == b"restrict"));
        lines.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert!(lines(&script) == lines(&printed(open.lifeboat("cat"))), "the scripts differ");
    let stock = [b"SET lc_monetary = 'C';\n".to_vec(), dump_of_stock(&original)].concat();
    assert!(lines(&script) == lines(&stock), "the script is not what pg_dump prints");
    assert_psql_makes_it_of(&script, &original);
}

#[test]
fn a_sealed_download_needs_no_key_and_is_byte_for_byte_what_is_stored() {
    let (vault, original) = (Vault::new(), fixtures::small(Major::V15));
    let keyring = vault.keyring(&[NOVEMBER]);
    let backup =
        vault.backup_command(&original).args(["--keyring", &keyring, "--recipient", &public(OFFLINE)]).run().expect(0);
    let backup = Backup::of(&backup);
    let to = vault.path("sealed");
    let outcome = vault.lifeboat("download").args(["shop/latest", "--sealed", "--to"]).arg(&to).run().expect(0);
    assert!(outcome.stdout.contains("recover.py --keyring"), "{}", outcome.stdout);

    let mut found = files(&to);
    let recover = found.remove("recover.py").expect("recover.py comes along");
    assert!(recover.starts_with(b"#!/usr/bin/env python3"));
    let stored = vault.objects(&backup);
    assert!(found == stored, "{:?} {:?}", found.keys(), stored.keys());
    assert!(stored.contains_key("keys/2026-11.json") && stored.contains_key("manifest.json"));
    assert!(stored.contains_key(&format!("keys/{}.json", public_id(OFFLINE))));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&to.join("keys"))), (0o700, 0o700));
    assert!(files(&to).keys().all(|name| mode(&to.join(name)) == 0o600));
}
