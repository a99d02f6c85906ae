//! A stolen bucket tells nothing of the data: no name of a table, a column or a role, no value, no error.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use flate2::read::MultiGzDecoder;
use lifeboat_core::codec::sealed::Header;
use lifeboat_core::keys::DataKey;
use lifeboat_core::store::layout;
use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, data_key, public, public_id};
use lifeboat_tests::{Backup, Database, Lifeboat, Major, fixtures};
use serde_json::{Value, json};

use crate::vault::{Vault, tiny};

const TABLE: &str = "zq_ledger_table";
const COLUMN: &str = "zq_iban_column";
const VALUE: &str = "zq row value 7731";
/// The role that owns the hard fixture.
const ROLE: &str = "hard_owner";

/// A database in which everything that has a name has a marked one.
fn marked() -> Database<'static> {
    let database = fixtures::hard(Major::V15);
    database.psql(&format!(
        "CREATE TABLE public.{TABLE} ({COLUMN} text);
         INSERT INTO public.{TABLE} SELECT '{VALUE}' FROM generate_series(1, 50);
         COMMENT ON DATABASE {} IS '{VALUE}'",
        database.name
    ));
    database
}

/// Every object of the bucket.
fn stored(vault: &Vault) -> BTreeMap<String, Vec<u8>> {
    vault.bucket.objects().into_keys().map(|key| (key.clone(), vault.bucket.read(&key))).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[track_caller]
fn assert_tells_nothing_of(objects: &BTreeMap<String, Vec<u8>>, marks: &[&str]) {
    for (key, bytes) in objects {
        for mark in marks {
            assert!(!contains(bytes, mark) && !key.contains(mark), "{mark} is in {key}");
        }
        // Neither as gzip nor as gzip that begins later: nothing decompresses.
        let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&[0x1f, 0x8b, 8])).chain([0, 56]);
        for at in starts.filter(|at| *at <= bytes.len()) {
            let mut plain = Vec::new();
            let whole = MultiGzDecoder::new(&bytes[at..]).read_to_end(&mut plain);
            assert!(whole.is_err(), "{key} can be decompressed from byte {at}");
        }
    }
}

/// Client tools that are the real ones, but for a `pg_dump` that fails with this message when it dumps rows.
fn tools_that_say(vault: &Vault, database: &Database<'_>, message: &str) -> std::path::PathBuf {
    let folder = vault.path("tools");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let real = |name: &str| database.server.bin(name).display().to_string();
    let (dump, all) = (real("pg_dump"), real("pg_dumpall"));
    write(
        "pg_dump",
        format!(
            "#!/bin/sh\ncase \"$*\" in *--version*|*--format=custom*) exec {dump} \"$@\" ;; esac\n\
             {dump} \"$@\" | head -c 2000\necho 'pg_dump: error: {message}' >&2\nexit 1\n"
        ),
    );
    write("pg_dumpall", format!("#!/bin/sh\nexec {all} \"$@\"\n"));
    folder
}

/// The record of the only run's end, and the run's id.
fn end_of_run(objects: &BTreeMap<String, Vec<u8>>) -> (Value, String) {
    let ends: Vec<_> = objects.iter().filter(|(key, _)| key.ends_with(".end.json")).collect();
    let [(key, bytes)] = &ends[..] else { panic!("one run: {:?}", objects.keys()) };
    let run = key.rsplit('/').next().unwrap().trim_end_matches(".end.json").to_owned();
    (serde_json::from_slice(bytes).unwrap(), run)
}

/// What the run kept sealed, opened by whoever holds these entries.
fn details(objects: &BTreeMap<String, Vec<u8>>, run: &str, entries: &[&str]) -> Value {
    let read = |name: &str| {
        let suffix = format!("/{run}/{name}");
        objects.iter().find(|(key, _)| key.ends_with(&suffix)).unwrap_or_else(|| panic!("{suffix} is stored")).1.clone()
    };
    let key: DataKey = data_key(run, entries, |id| read(&layout::wrap(id)));
    let sealed = read("details.json.sealed");
    let (salt, commitment) = sealed[..56].split_at(24);
    let header = Header { salt: salt.try_into().unwrap(), commitment: commitment.try_into().unwrap() };
    let mut opener = key.opener(run, "details.json.sealed", &header).unwrap();
    let mut text = Vec::new();
    opener.push(&sealed, &mut text).unwrap();
    opener.finish(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn no_name_and_no_value_is_in_any_object_and_nothing_decompresses() {
    let (vault, database) = (Vault::new(), marked());
    let backup = vault.backup(&database, &[NOVEMBER]);
    let objects = stored(&vault);
    assert_eq!(objects.len(), 6 + 2 + 2, "{:?}", objects.keys());
    assert_tells_nothing_of(&objects, &[TABLE, COLUMN, VALUE, ROLE, &database.name, "CREATE TABLE", "public"]);

    // What is visible is what the format says: ids, sizes, times, the name in the store.
    let manifest: Value = serde_json::from_slice(&objects[&backup.object("manifest.json")]).unwrap();
    let fields: Vec<_> = manifest.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "attachments",
        "class",
        "compression",
        "database",
        "finished",
        "format",
        "id",
        "mac",
        "method",
        "run",
        "script",
        "sha256",
        "snapshot",
        "started",
        "tool",
    ];
    assert_eq!(fields, expected);
    let wrap: Value = serde_json::from_slice(&objects[&backup.object("keys/2026-11.json")]).unwrap();
    let fields: Vec<_> = wrap.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["algorithm", "backup", "format", "key", "nonce", "wrapped"]);
    // The same search finds the marks where nothing is sealed.
    let open = Vault::new();
    open.backup_command(&database).run().expect(0);
    let plain = stored(&open).into_values().any(|bytes| {
        let mut text = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).is_ok() && contains(&text, VALUE)
    });
    assert!(plain, "the search finds nothing anywhere");
}

#[test]
fn what_a_failed_run_would_say_is_sealed_beside_its_record() {
    let (vault, database) = (Vault::new(), tiny());
    let tools = tools_that_say(&vault, &database, &format!("row \"{VALUE}\" of {TABLE} cannot be dumped"));
    let keyring = vault.keyring(&[NOVEMBER]);
    let arguments = ["--keyring", &keyring, "--recipient", &public(OFFLINE)];
    let failed = vault.backup_command(&database).args(arguments).env("LIFEBOAT_TOOLS_DIR", tools).run().expect(1);
    assert!(failed.text().contains(VALUE), "the operator is told: {}", failed.text());

    let objects = stored(&vault);
    assert_tells_nothing_of(&objects, &[VALUE, TABLE, &database.name]);
    let (end, run) = end_of_run(&objects);
    let result = end["results"][0].as_object().unwrap();
    assert_eq!((&result["database"], &result["backup"]), (&json!("shop"), &Value::Null));
    assert!(result["error_kind"].is_string() && !result.contains_key("error"), "{end}");
    for entries in [[NOVEMBER], [OFFLINE]] {
        let details = details(&objects, &run, &entries);
        assert_eq!((&details["format"], &details["errors"][0]["database"]), (&json!(1), &json!("shop")));
        assert!(details["errors"][0]["error"].as_str().unwrap().contains(VALUE), "{details}");
    }
    let keys: Vec<_> = objects.keys().filter(|key| key.contains(&format!("/{run}/"))).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys.iter().any(|key| key.ends_with(&format!("keys/{}.json", public_id(OFFLINE)))));
}

#[test]
fn the_name_of_a_database_that_is_not_there_is_not_in_the_record() {
    let (vault, database) = (Vault::new(), tiny());
    let missing = vault.backup_command(&database).env("DATABASE_URL", database.server.dsn("zq_no_such_database"));
    missing.args(["--keyring", &vault.keyring(&[NOVEMBER])]).run().expect(20);
    let objects = stored(&vault);
    assert_tells_nothing_of(&objects, &["zq_no_such_database"]);
    let (_, run) = end_of_run(&objects);
    let told = details(&objects, &run, &[NOVEMBER]);
    assert!(told.to_string().contains("zq_no_such_database"), "{told}");
}

#[test]
fn a_run_of_several_seals_what_failed_and_each_backup_under_a_key_of_its_own() {
    let (vault, database) = (Vault::new(), tiny());
    let keyring = vault.keyring(&[NOVEMBER]);
    let config = vault.path("lifeboat.toml");
    let databases = ["first", "missing", "last"]
        .map(|name| format!("[[database]]\nname = \"{name}\"\nurl = \"env:{}_URL\"\n", name.to_uppercase()));
    fs::write(&config, format!("[encryption]\nkeyring = {keyring:?}\n{}", databases.concat())).unwrap();
    let run = |command: Lifeboat| {
        let missing = database.server.dsn("zq_no_such_database");
        let command = command.args(["--json", "--config"]).arg(&config).env("MISSING_URL", missing);
        command.env("FIRST_URL", database.dsn()).env("LAST_URL", database.dsn()).run()
    };
    let outcome = run(vault.lifeboat("backup")).expect(3);
    let objects = stored(&vault);
    assert_tells_nothing_of(&objects, &["zq_no_such_database", &database.name]);
    let (end, run_id) = end_of_run(&objects);
    let told = |field: &str| -> Vec<bool> {
        end["results"].as_array().unwrap().iter().map(|result| result[field].is_string()).collect()
    };
    assert_eq!((told("backup"), told("error_kind")), (vec![true, false, true], vec![false, true, false]));
    let details = details(&objects, &run_id, &[NOVEMBER]);
    assert_eq!(details["errors"].as_array().unwrap().len(), 1);
    assert_eq!(details["errors"][0]["database"], "missing");

    let done = outcome.result()["backups"].clone();
    let keys: Vec<_> = ["first", "last"]
        .iter()
        .zip(done.as_array().unwrap())
        .map(|(name, backup)| {
            let id = backup["id"].as_str().unwrap();
            let wrap = format!("prod/backups/daily/{name}/{id}/keys/2026-11.json");
            data_key(id, &[NOVEMBER], |_| objects[&wrap].clone())
        })
        .collect();
    assert!(!keys[0].is(&keys[1]), "two backups have one data key");
    for name in ["first", "last"] {
        vault.lifeboat("verify").arg(format!("{name}/latest")).args(["--keyring", &keyring]).run().expect(0);
    }
    let listed = vault.list();
    assert!(listed.iter().all(|backup| backup["keys"] == json!(["2026-11"])), "{listed:?}");
}

#[test]
fn two_backups_of_the_same_rows_have_no_salt_and_no_bytes_in_common() {
    let (vault, database) = (Vault::new(), tiny());
    let [one, two]: [Backup; 2] = [(); 2].map(|()| vault.backup(&database, &[NOVEMBER]));
    assert!(!vault.data_key(&one, &[NOVEMBER]).is(&vault.data_key(&two, &[NOVEMBER])));
    let (one, two) = (vault.objects(&one), vault.objects(&two));
    let sealed = |objects: &BTreeMap<String, Vec<u8>>| {
        let sealed = objects.iter().filter(|(name, _)| name.ends_with(".sealed"));
        sealed.map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()
    };
    let all = [sealed(&one), sealed(&two)].concat();
    for (at, a) in all.iter().enumerate() {
        for b in &all[at + 1..] {
            assert!(a[..24] != b[..24] && a[24..56] != b[24..56], "a salt or a commitment twice");
            let blocks: std::collections::BTreeSet<_> = a.chunks_exact(16).collect();
            assert!(b.chunks_exact(16).all(|block| !blocks.contains(block)), "16 bytes twice");
        }
    }
}
