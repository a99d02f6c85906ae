//! Which old key may go once a rotation is over, and what else may be under it.

use std::fs;

use lifeboat_tests::{Database, Lifeboat, Outcome};
use tempfile::TempDir;

use crate::commands::{LOST, NEW, OLD, columns, columns_of, table, told, value};

/// Another table, which a file declares, whose values come from a key that is found there as `old`.
fn others_declared(head: &str, old: &str, database: &str) -> String {
    let column = "table = \"others\"\ncolumn = \"encrypted_value\"\nlayout = \"base64(iv tag ct)\"\n";
    format!("{head}[rotate]\nold = {old:?}\n[[rotate.column]]\n{database}{column}")
}

/// briven's table, and another one with its values.
fn two_tables() -> Database<'static> {
    let database = table();
    database.psql("CREATE TABLE others AS TABLE project_env_vars; ALTER TABLE others ADD PRIMARY KEY (id)");
    database
}

fn done(database: &Database<'_>, verb: &str, table: &str) -> Outcome {
    columns_of(database, "lifeboat", verb, table).run().expect(0)
}

/// From the key that the table has come to, to a third one.
fn further(database: &Database<'_>, verb: &str) -> Lifeboat {
    let keys = |command: Lifeboat| command.env("BRIVEN_ENCRYPTION_KEY_OLD", NEW).env("BRIVEN_ENCRYPTION_KEY", LOST);
    keys(columns(database, "lifeboat", verb))
}

const UNDER_IT: &str = "is still needed: public.others.encrypted_value may be under it.";

#[test]
fn an_old_key_that_another_column_needs_is_not_called_free() {
    let database = table();
    database.psql("CREATE TABLE others AS SELECT * FROM project_env_vars; ALTER TABLE others ADD PRIMARY KEY (id)");
    for table in ["project_env_vars", "others"] {
        columns_of(&database, "lifeboat", "run", table).run().expect(0);
    }
    let first = columns(&database, "lifeboat", "finalize").run().expect(0);
    assert!(
        first.stdout.contains("is still needed: the rotation of public.others.encrypted_value"),
        "{}",
        first.stdout
    );
    let last = columns_of(&database, "lifeboat", "finalize", "others").run().expect(0);
    assert!(last.stdout.contains("out of the application"), "{}", last.stdout);
}

#[test]
fn an_old_key_of_a_column_that_is_only_configured_is_not_called_free() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    let column = |table: &str| {
        format!("[[rotate.column]]\ntable = {table:?}\ncolumn = \"encrypted_value\"\nlayout = \"base64(iv tag ct)\"\n")
    };
    let keys = "[rotate]\nold = \"env:BRIVEN_ENCRYPTION_KEY_OLD\"\nnew = \"env:BRIVEN_ENCRYPTION_KEY\"\n";
    fs::write(&file, format!("{keys}{}{}", column("project_env_vars"), column("others"))).unwrap();
    columns(&database, "lifeboat", "run").arg("--config").arg(&file).run().expect(0);
    let finalized = columns(&database, "lifeboat", "finalize").arg("--config").arg(&file).run().expect(0);
    let text = &finalized.stdout;
    assert!(text.contains("still needed: the rotation of public.others.encrypted_value is not over"), "{text}");
    assert!(!text.contains("out of the application"), "{text}");
}

#[test]
fn an_old_key_that_a_declared_column_has_by_another_name_is_not_called_free() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    fs::write(&file, others_declared("", "env:KEPT_ELSEWHERE", "")).unwrap();
    let done = |verb: &str, format: &[&str]| {
        let command = columns(&database, "lifeboat", verb).arg("--config").arg(&file).args(format);
        command.env("KEPT_ELSEWHERE", OLD).run().expect(0)
    };
    done("run", &[]);
    for finalized in [done("finalize", &[]), done("finalize", &[])] {
        let needed = "is still needed: the rotation of public.others.encrypted_value is not over";
        assert!(finalized.stdout.contains(needed), "{}", finalized.stdout);
    }
    let key = told(&done("finalize", &["--json"]))["old_keys"][0].clone();
    assert_eq!(key["needed_by"], serde_json::json!(["public.others.encrypted_value"]), "{key}");
}

#[test]
fn nobody_has_looked_whether_a_declared_column_needs_the_old_key_where_its_own_is_not_there() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    columns(&database, "lifeboat", "run").run().expect(0);
    let declared = others_declared("", "env:NOT_HERE", "");
    let in_use = |key: &str| declared.replace("old = \"env:NOT_HERE\"", &format!("new = \"env:{key}\""));
    let finalized = |text: &str| {
        fs::write(&file, text).unwrap();
        columns(&database, "lifeboat", "finalize").env("IN_USE", OLD).arg("--config").arg(&file).run().expect(0).stdout
    };
    for unknown in [declared.clone(), declared.replace("old = \"env:NOT_HERE\"", "")] {
        let told = finalized(&unknown);
        assert!(told.contains("nobody has looked whether it is needed for public.others"), "{unknown}: {told}");
        assert!(!told.contains("out of the application"), "{told}");
    }
    assert!(finalized(&in_use("IN_USE")).contains("is still needed: the rotation of public.others"));
    assert!(finalized(&in_use("BRIVEN_ENCRYPTION_KEY")).contains("out of the application"));
}

#[test]
fn an_old_key_is_not_called_free_in_a_database_that_the_file_does_not_know() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    let (head, here) = ("[[database]]\nname = \"one\"\nurl = \"env:ELSEWHERE\"\n", "database = \"one\"\n");
    fs::write(&file, others_declared(head, "env:BRIVEN_ENCRYPTION_KEY_OLD", here)).unwrap();
    let named = |verb: &str| {
        let command = columns(&database, "lifeboat", verb).args(["--name", "shop"]).arg("--config").arg(&file);
        command.run().expect(0).stdout
    };
    named("run");
    let finalized = named("finalize");
    let told = "nobody has looked whether it is needed for public.others.encrypted_value in one";
    assert!(finalized.contains(told) && !finalized.contains("out of the application"), "{finalized}");
}

#[test]
fn an_old_key_is_not_called_free_while_a_trigger_may_have_filled_what_was_finalized_before() {
    let database = table();
    database.psql("CREATE TABLE history (id text PRIMARY KEY, encrypted_value text)");
    let done = |verb: &str, table: &str| columns_of(&database, "lifeboat", verb, table).run().expect(0).stdout;
    done("run", "history");
    assert!(done("finalize", "history").contains("out of the application"), "there was nothing else");
    database.psql(
        "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.history VALUES (OLD.id, OLD.encrypted_value) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
         CREATE TRIGGER kept AFTER UPDATE ON project_env_vars FOR EACH ROW EXECUTE FUNCTION kept()",
    );
    done("run", "project_env_vars");
    for finalized in [done("finalize", "project_env_vars"), done("finalize", "project_env_vars")] {
        let told =
            "nobody has looked whether it is needed for public.history.encrypted_value, which was finalized before";
        assert!(finalized.contains(told) && !finalized.contains("out of the application"), "{finalized}");
    }
    columns_of(&database, "lifeboat", "verify", "history").run().expect(12);
}

#[test]
fn an_old_key_that_a_column_was_rolled_back_to_is_not_called_free() {
    let database = two_tables();
    for verb in ["run", "rollback"] {
        done(&database, verb, "others");
    }
    done(&database, "run", "project_env_vars");
    for finalized in [1, 2].map(|_| done(&database, "finalize", "project_env_vars").stdout) {
        assert!(finalized.contains(UNDER_IT) && !finalized.contains("out of the application"), "{finalized}");
    }
    for verb in ["run", "finalize"] {
        done(&database, verb, "others");
    }
    let free = done(&database, "finalize", "project_env_vars").stdout;
    assert!(free.contains("out of the application"), "its newest rotation counts: {free}");
}

#[test]
fn an_old_key_that_another_column_has_come_to_is_not_called_free() {
    let database = two_tables();
    for table in ["project_env_vars", "others"] {
        done(&database, "run", table);
    }
    let open = done(&database, "finalize", "project_env_vars").stdout;
    assert!(open.contains("is still needed: the rotation of public.others.encrypted_value is not over"), "{open}");
    done(&database, "finalize", "others");
    further(&database, "run").run().expect(0);
    let finalized = further(&database, "finalize").run().expect(0).stdout;
    assert!(finalized.contains(UNDER_IT) && !finalized.contains("out of the application"), "{finalized}");
    let key = told(&further(&database, "finalize").arg("--json").run().expect(0))["old_keys"][0].clone();
    assert_eq!(key["needed_by"], serde_json::json!(["public.others.encrypted_value"]), "{key}");
}

#[test]
fn an_old_key_that_a_declared_column_goes_to_is_not_called_free() {
    let (database, folder) = (two_tables(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    let goes_to = |key: &str| {
        let declared = others_declared("", "env:BEFORE", "");
        fs::write(&file, declared.replace("[[rotate", &format!("new = \"env:{key}\"\n[[rotate"))).unwrap();
    };
    let finalized = || {
        let command = columns(&database, "lifeboat", "finalize").env("IN_USE", OLD).env("BEFORE", LOST);
        command.arg("--config").arg(&file).run().expect(0).stdout
    };
    done(&database, "run", "project_env_vars");
    goes_to("IN_USE");
    let told = finalized();
    assert!(told.contains(UNDER_IT) && !told.contains("out of the application"), "{told}");
    goes_to("NOT_HERE");
    let told = finalized();
    assert!(told.contains("nobody has looked whether it is needed for public.others"), "{told}");
    goes_to("BRIVEN_ENCRYPTION_KEY");
    assert!(finalized().contains("out of the application"));
}

#[test]
fn what_was_finalized_before_keeps_no_old_key_where_nothing_has_triggers() {
    let database = two_tables();
    for verb in ["run", "finalize"] {
        done(&database, verb, "others");
    }
    done(&database, "run", "project_env_vars");
    for finalized in [1, 2].map(|_| done(&database, "finalize", "project_env_vars").stdout) {
        assert!(finalized.contains("out of the application"), "{finalized}");
    }
}

#[test]
fn a_trigger_may_have_filled_what_was_finalized_while_the_rotation_was_under_way() {
    let database = two_tables();
    database.psql(
        "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER kept AFTER UPDATE ON project_env_vars FOR EACH ROW EXECUTE FUNCTION kept()",
    );
    done(&database, "run", "project_env_vars");
    for verb in ["run", "finalize"] {
        done(&database, verb, "others");
    }
    let finalized = done(&database, "finalize", "project_env_vars").stdout;
    let told = "nobody has looked whether it is needed for public.others.encrypted_value, which was finalized before";
    assert!(finalized.contains(told), "{finalized}");
}

#[test]
fn a_trigger_that_is_gone_when_the_rotation_ends_may_have_filled_what_was_finalized_before() {
    let (dropped, disabled) =
        ("DROP TRIGGER kept ON project_env_vars", "ALTER TABLE project_env_vars DISABLE TRIGGER kept");
    for (gone, is_begun_anew) in [(dropped, false), (disabled, false), (dropped, true)] {
        let database = table();
        database.psql("CREATE TABLE history (id text PRIMARY KEY, encrypted_value text)");
        for verb in ["run", "finalize"] {
            done(&database, verb, "history");
        }
        database.psql(
            "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.history VALUES (OLD.id, OLD.encrypted_value) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
             CREATE TRIGGER kept AFTER UPDATE ON project_env_vars FOR EACH ROW EXECUTE FUNCTION kept()",
        );
        done(&database, "run", "project_env_vars");
        if is_begun_anew {
            done(&database, "rollback", "project_env_vars");
        }
        database.psql(gone);
        done(&database, "run", "project_env_vars");
        for finalized in [1, 2].map(|_| done(&database, "finalize", "project_env_vars").stdout) {
            let told = "nobody has looked whether it is needed for public.history.encrypted_value";
            assert!(finalized.contains(told) && !finalized.contains("out of the application"), "{gone}: {finalized}");
        }
        columns_of(&database, "lifeboat", "verify", "history").run().expect(12);
    }
}

/// Another column declared with a key format of its own.
fn others_of_their_own(file: &std::path::Path, format: &str) {
    let declared = others_declared("", "env:BRIVEN_ENCRYPTION_KEY_OLD", "");
    fs::write(file, format!("{declared}key_format = {format:?}\n")).unwrap();
}

#[test]
fn a_column_with_a_key_format_of_its_own_is_not_over_because_it_came_from_another_key_once() {
    let (database, folder) = (two_tables(), TempDir::new().unwrap());
    let file = folder.path().join("lifeboat.toml");
    database.psql(&format!("UPDATE others SET encrypted_value = '{}'", value(LOST, "of another key")));
    for verb in ["run", "finalize"] {
        columns_of(&database, "lifeboat", verb, "others").env("BRIVEN_ENCRYPTION_KEY_OLD", LOST).run().expect(0);
    }
    done(&database, "run", "project_env_vars");
    let finalized = || columns(&database, "lifeboat", "finalize").arg("--config").arg(&file).run().expect(0).stdout;
    others_of_their_own(&file, "hex");
    let needed = "is still needed: the rotation of public.others.encrypted_value is not over";
    let told = finalized();
    assert!(told.contains(needed), "it is declared to come from this very key: {told}");
    others_of_their_own(&file, "sha256");
    let told = finalized();
    assert!(told.contains("out of the application"), "the same secret makes another key there: {told}");
}

#[test]
fn no_program_is_run_for_a_key_of_a_column_that_is_over() {
    let (database, folder) = (two_tables(), TempDir::new().unwrap());
    let (file, trace) = (folder.path().join("lifeboat.toml"), folder.path().join("it-ran"));
    for verb in ["run", "finalize"] {
        done(&database, verb, "others");
    }
    let program = format!("command:[\"touch\", {:?}]", trace.display().to_string());
    fs::write(&file, others_declared("", &program, "")).unwrap();
    columns(&database, "lifeboat", "run").run().expect(0);
    let finalized = columns(&database, "lifeboat", "finalize").arg("--config").arg(&file).run().expect(0).stdout;
    assert!(finalized.contains("out of the application") && !trace.exists(), "{finalized}");
}
