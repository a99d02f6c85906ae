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
    assert!(whole.stdout.contains("It was finalized before, at 2"), "{}", whole.stdout);
    assert!(whole.stdout.contains("(env:BRIVEN_ENCRYPTION_KEY_OLD) out of the application"), "{}", whole.stdout);
}

#[test]
fn one_database_that_fails_does_not_hide_what_is_known_of_the_other() {
    let (one, two, folder) = (table(), table(), TempDir::new().unwrap());
    let file = declared(&folder);
    both(&file, [&one, &two], "run").run().expect(0);
    let not_there = |verb: &str| {
        let command = both(&file, [&one, &two], verb).env("ONE_URL", one.server.dsn("not_there"));
        let outcome = command.run().expect(20);
        assert!(outcome.stdout.contains("one\nfailed: "), "{verb}: {}", outcome.text());
        outcome.stdout
    };
    for (verb, told) in [
        ("detect", "public.project_env_vars.encrypted_value"),
        ("plan", "from key"),
        ("status", "`verify` and `finalize` end it"),
        ("verify", "alone opens 30 values"),
    ] {
        let said = not_there(verb);
        assert!(said.contains("two\n") && said.contains(told), "{verb}: {said}");
    }

    // The worse of two ends counts, in whatever order they come.
    let under_the_old_key = format!("UPDATE project_env_vars SET encrypted_value = '{}'", value(OLD, "all"));
    one.psql(&under_the_old_key);
    two.psql(&format!("{under_the_old_key} WHERE id = 'ev_7'"));
    both(&file, [&one, &two], "verify").run().expect(12);
    both(&file, [&two, &one], "verify").run().expect(12);
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
    assert!(over.stdout.contains("it is rolled back already"), "{}", over.stdout);
}

#[test]
fn columns_of_another_database_are_not_called_undeclared() {
    let (one, folder) = (table(), TempDir::new().unwrap());
    let file = declared(&folder);
    let unnamed = ["--database-url", "env:ONE_URL"];
    let elsewhere = both(&file, [&one, &one], "plan").args(unnamed).run().expect(78);
    assert!(elsewhere.stderr.contains("those that are declared are in one, two"), "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("give --name one when that is the database"), "{}", elsewhere.stderr);
    both(&file, [&one, &one], "plan").args(unnamed).args(["--name", "one"]).run().expect(0);

    let column = ["--table", "project_env_vars", "--column", "encrypted_value", "--layout", "base64(iv tag ct)"];
    let which = both(&file, [&one, &one], "plan").args(column).run().expect(78);
    assert!(which.stderr.contains("which one the table is in is not said"), "{}", which.stderr);
    both(&file, [&one, &one], "plan").args(column).args(["--name", "two"]).run().expect(0);
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
