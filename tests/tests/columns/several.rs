//! One key behind the same table of two databases: what is said of one must not hide the other.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_tests::{Database, Lifeboat};
use tempfile::TempDir;

use crate::commands::{NEW, OLD, columns, table, value};

/// A configuration that declares the column in both.
fn declared(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("lifeboat.toml");
    let mut text =
        "[rotate]\nold = \"env:BRIVEN_ENCRYPTION_KEY_OLD\"\nnew = \"env:BRIVEN_ENCRYPTION_KEY\"\n".to_owned();
    for name in ["one", "two"] {
        text += &format!(
            "[[database]]\nname = {name:?}\nurl = \"env:{}_URL\"\n[[rotate.column]]\ndatabase = {name:?}\n\
             table = \"project_env_vars\"\ncolumn = \"encrypted_value\"\nlayout = \"base64(iv tag ct)\"\n",
            name.to_uppercase()
        );
    }
    fs::write(&file, text).unwrap();
    file
}

fn both(file: &Path, [one, two]: [&Database<'_>; 2], verb: &str) -> Lifeboat {
    Lifeboat::new()
        .args(["rotate", "columns", verb, "--config"])
        .arg(file)
        .env("ONE_URL", one.dsn())
        .env("TWO_URL", two.dsn())
        .env("BRIVEN_ENCRYPTION_KEY_OLD", OLD)
        .env("BRIVEN_ENCRYPTION_KEY", NEW)
}

#[test]
fn an_old_key_is_needed_as_long_as_one_of_two_databases_needs_it_and_what_was_done_is_told() {
    let (one, two, folder) = (table(), table(), TempDir::new().unwrap());
    let file = declared(&folder);
    both(&file, [&one, &two], "run").run().expect(0);
    two.psql(&format!("INSERT INTO project_env_vars VALUES ('late', '{}')", value(OLD, "written since")));

    let half = both(&file, [&one, &two], "finalize").run().expect(40);
    let needed = "is still needed: the rotation of public.project_env_vars.encrypted_value in two is not over";
    for told in
        ["public.project_env_vars.encrypted_value: finalized", needed, "failed: finalize public.project_env_vars"]
    {
        assert!(half.stdout.contains(told), "{told} in {}", half.text());
    }
    assert!(!half.stdout.contains("out of the application"), "{}", half.stdout);

    two.psql("DELETE FROM project_env_vars WHERE id = 'late'");
    let whole = both(&file, [&one, &two], "finalize").run().expect(0);
    assert!(whole.stdout.contains("It was finalized before."), "{}", whole.stdout);
    assert!(whole.stdout.contains("(env:BRIVEN_ENCRYPTION_KEY_OLD) out of the application"), "{}", whole.stdout);
}

#[test]
fn a_rollback_that_failed_for_one_of_two_databases_can_be_given_again() {
    let (one, two, folder) = (table(), table(), TempDir::new().unwrap());
    let file = declared(&folder);
    both(&file, [&one, &two], "run").run().expect(0);
    two.psql("ALTER TABLE project_env_vars RENAME TO away");
    both(&file, [&one, &two], "rollback").run().expect(40);
    two.psql("ALTER TABLE away RENAME TO project_env_vars");
    let again = both(&file, [&one, &two], "rollback").run().expect(0);
    assert!(again.stdout.contains("It was rolled back before."), "{}", again.stdout);
    let over = both(&file, [&one, &two], "rollback").run().expect(40);
    assert!(over.stdout.contains("none is under way"), "{}", over.stdout);
}

#[test]
fn a_database_that_was_not_asked_is_not_called_done() {
    let (one, folder) = (table(), TempDir::new().unwrap());
    let file = declared(&folder);
    columns(&one, "lifeboat", "run").run().expect(0);
    let finalized = columns(&one, "lifeboat", "finalize").arg("--config").arg(&file).run().expect(0);
    let told = "nobody has looked whether it is needed for";
    assert!(finalized.stdout.contains(told) && finalized.stdout.contains("in two"), "{}", finalized.stdout);
    assert!(!finalized.stdout.contains("out of the application"), "{}", finalized.stdout);
}
