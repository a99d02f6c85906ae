//! What docs/rotate-a-key.md tells to type for each product, typed: from detect to finalize, on its tables, while the product
//! goes on writing with its old key until it is restarted.

use std::fs;
use std::path::Path;
use std::process::Command;

use lifeboat_tests::{lifeboat, scratch};
use tempfile::TempDir;

use crate::products::{BRIVEN, CULLIS, DAOFLOW, IDENTITY_GOVERNANCE, PILOT, Product};
use crate::sealed::Sealed;
use crate::stage::{Stage, write_program};

/// The commands of a product's section, in their order. Between what is typed before and after it, the product is restarted.
fn commands(product: Product) -> String {
    let page = fs::read_to_string(scratch::workspace().join("docs/rotate-a-key.md")).unwrap();
    let heading = format!("\n### {}\n", product.name);
    let section = page.split(&heading).nth(1).unwrap_or_else(|| panic!("the page has no section {heading}"));
    let section = section.split("\n#").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\nrestart\n")
}

/// A program that does what the product did until it had been restarted: it runs this SQL.
fn write_restart(stage: &Stage, folder: &Path, dbname: &str, sql: &str) {
    let environment = stage.server().client_environment(dbname);
    let environment: String = environment.iter().map(|(name, value)| format!(" {name}='{value}'")).collect();
    let (script, psql) = (folder.join("late.sql"), stage.server().bin("psql"));
    fs::write(&script, sql).unwrap();
    let options = "-X -q -v ON_ERROR_STOP=1";
    let program = format!("#!/bin/sh\nexec env{environment} {} {options} -f {}\n", psql.display(), script.display());
    write_program(&folder.join("restart"), &program);
}

/// Types them; what they print. `variable` holds the address.
fn typed(stage: &Stage, product: Product, folder: &TempDir, dbname: &str, variable: &str) -> String {
    let like = stage.lifeboat(&[]).command();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &commands(product)]).current_dir(folder.path()).env_clear();
    for (name, value) in like.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let path =
        like.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap().to_str().unwrap();
    let ours = format!("{}:{}:{path}", lifeboat::built().display(), folder.path().display());
    shell.env("PATH", ours).env(variable, stage.dsn(dbname));
    let output = shell.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{text}", product.name, output.status);
    text
}

/// After it every value opens with the new key, and none with the old one, those that were written until the restart too; the old
/// backup is told.
fn the_page_rotates(product: Product, variable: &str, secret: &str) {
    let stage = Stage::of(product);
    let (folder, columns) = (TempDir::new().unwrap(), Sealed::all(product));
    let dbname = columns[0].dbname.clone();
    let mut late: String =
        columns.iter().map(|column| column.written_anew(product.column_key(), "written until the restart")).collect();
    if product.name == DAOFLOW.name {
        let old = product.column_key();
        let stored = columns[0].keyring(old).encrypt(b"a token of GitLab", b"").unwrap();
        let (value, id) = (stored.text().unwrap(), key_id(old));
        stage.sql("daoflow", &format!("INSERT INTO git_installations VALUES ('gi_1', '{value}', '{id}')"));
        late += &format!("INSERT INTO git_installations VALUES ('gi_2', '{value}', '{id}');");
    }
    write_restart(&stage, folder.path(), &dbname, &late);
    stage.lifeboat(&["backup"]).run().expect(0);
    let old = product.variables.iter().find(|(name, _)| *name == secret).expect("the product has a key").1;
    let before: Vec<_> = columns.iter().map(|column| column.opened(stage.server(), old)).collect();
    assert!(before.iter().any(|(values, _)| *values > 0), "{before:?}");

    let text = typed(&stage, product, &folder, &dbname, variable);
    let new = fs::read_to_string(folder.path().join("new.key")).unwrap();
    for (column, (values, opened)) in columns.iter().zip(before) {
        assert_eq!(values, opened, "{}.{}", column.table, column.column);
        assert_eq!(column.opened(stage.server(), new.trim()), (values, values), "{text}");
        assert_eq!(column.opened(stage.server(), old).1, 0, "{text}");
        assert!(text.contains(&format!("{}.{}: finalized", column.table, column.column)), "{text}");
    }
    if product.name == DAOFLOW.name {
        let beside = stage.server().psql(&dbname, "SELECT credential_key_id FROM git_installations");
        assert_eq!(beside.lines().collect::<Vec<_>>(), vec![key_id(new.trim()); 2], "{text}");
    }
    assert!(text.contains("1 backup in file://") && text.contains("Keep the old key offline"), "{text}");
    assert!(!text.contains(new.trim().get(8..).unwrap()), "the new key is not told: {text}");
}

#[test]
fn the_page_rotates_the_key_of_briven() {
    the_page_rotates(BRIVEN, "BRIVEN_DATABASE_URL", "BRIVEN_ENCRYPTION_KEY");
}

#[test]
fn the_page_rotates_the_key_of_pilot() {
    the_page_rotates(PILOT, "PILOT_DATABASE_URL", "ENCRYPTION_KEY");
}

#[test]
fn the_page_rotates_the_key_of_daoflow() {
    the_page_rotates(DAOFLOW, "DAOFLOW_DATABASE_URL", "ENCRYPTION_KEY");
}

/// A value that names its key beside it, as DaoFlow does: the beginning of the secret's SHA-256.
fn key_id(secret: &str) -> String {
    let (folder, file) = (TempDir::new().unwrap(), "secret");
    fs::write(folder.path().join(file), secret).unwrap();
    let output = Command::new("sha256sum").arg(file).current_dir(folder.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..16].to_owned()
}

#[test]
fn the_page_says_that_cullis_keeps_fernet_tokens() {
    let stage = Stage::of(CULLIS);
    let text = typed(&stage, CULLIS, &TempDir::new().unwrap(), "agent_trust", "CULLIS_DATABASE_URL");
    assert!(text.contains("public.organizations.oidc_client_secret: Fernet tokens"), "{text}");
}

#[test]
fn the_page_finds_nothing_encrypted_in_identity_governance() {
    let stage = Stage::of(IDENTITY_GOVERNANCE);
    let text = typed(&stage, IDENTITY_GOVERNANCE, &TempDir::new().unwrap(), "identity_governance_iga", "DATABASE_URL");
    assert!(text.contains("looked at") && !text.contains("look encrypted"), "{text}");
}
