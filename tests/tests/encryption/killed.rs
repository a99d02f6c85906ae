//! `kill -9` at moments all over an encrypted backup: whatever then claims to be a backup opens with the key.

use std::collections::BTreeSet;
use std::time::Instant;

use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, public};
use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Lifeboat, Major, Postgres, unused_name};
use tempfile::TempDir;

use crate::vault::{Vault, tiny};

/// Verifies with either key what is listed as available and was not known so far; everything else is in flight.
fn prove_new_backups(vault: &Vault, known: &mut BTreeSet<String>) {
    for backup in vault.list() {
        let name = format!("shop/{}", backup["id"].as_str().unwrap());
        if backup["state"] == "in-flight" || known.contains(&name) {
            continue;
        }
        assert_eq!(backup["state"], "available", "{backup}");
        assert_eq!((&backup["encrypted"], backup["keys"].as_array().unwrap().len()), (&true.into(), 2));
        for entry in [NOVEMBER, OFFLINE] {
            let keyring = vault.keyring(&[entry]);
            vault.lifeboat("verify").args([&name, "--keyring", &keyring]).run().expect(0);
        }
        known.insert(name);
    }
}

#[test]
fn a_killed_encrypted_backup_is_no_backup_or_a_whole_one() {
    let (vault, database, state) = (Vault::new(), tiny(), TempDir::new().unwrap());
    database.psql("CREATE TABLE more AS SELECT g AS id, sha512(g::text::bytea) AS b FROM generate_series(1, 100000) g");
    let keyring = vault.keyring(&[NOVEMBER]);
    let backup = || -> Lifeboat {
        let command = vault.backup_command(&database).args(["--keyring", &keyring, "--recipient", &public(OFFLINE)]);
        command.state_dir(state.path())
    };
    let (mut known, moments) = (BTreeSet::new(), if long() { 60 } else { 10 });
    let cut_short = kill_at_random_moments("a_killed_encrypted_backup", moments, length_of(backup), |moment| {
        let cut_short = backup().spawn().kill_after(moment);
        database.wait_until_let_go();
        prove_new_backups(&vault, &mut known);
        cut_short
    });
    // Some were cut short between the commit and the end.
    let most = 2 + (moments - cut_short) + cut_short / 2;
    assert!((2..=most as usize).contains(&known.len()), "{} backups", known.len());
    backup().run().expect(0);
    prove_new_backups(&vault, &mut known);
}

#[test]
fn a_killed_restore_of_an_encrypted_backup_leaves_no_database_of_the_final_name() {
    let (vault, database) = (Vault::new(), tiny());
    vault.backup(&database, &[NOVEMBER]);
    let (server, keyring) = (Postgres::shared(Major::V15), vault.keyring(&[NOVEMBER]));
    let restore = |name: &str| vault.restore_command(server, name).args(["--create", "--keyring", &keyring]);
    let began = Instant::now();
    drop(vault.restore(server, &["--keyring", &keyring]));
    let span = began.elapsed();
    for slice in 0..5 {
        let name = unused_name("killed");
        let cut_short = restore(&name).spawn().kill_after(span * slice / 5);
        let left = server.databases_like(&name);
        for database in left.lines() {
            let whole = server.adopt(database);
            let rows = "SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM few)";
            assert!(database != name || whole.psql(rows) == "3030", "{database} is not whole");
        }
        assert!(cut_short || left.lines().any(|database| database == name));
    }
}
