//! The same `run` after `finalize`.

use lifeboat_tests::{Database, Outcome};

use crate::commands::{LOST, NEW, OLD, columns, columns_of, modeless, plaintexts, table, told, value};

/// A rotation that is over.
fn finalized() -> Database<'static> {
    let database = table();
    for verb in ["run", "finalize"] {
        columns(&database, "lifeboat", verb).run().expect(0);
    }
    database
}

/// Rotations in the book, and those of them that are open.
fn rotations(database: &Database<'_>) -> String {
    database.psql("SELECT count(*), count(*) FILTER (WHERE finished IS NULL) FROM lifeboat_rotate.rotation")
}

fn run(database: &Database<'_>, options: &[&str]) -> Outcome {
    modeless(database, "lifeboat", "run", "project_env_vars").args(options.iter().copied()).run()
}

const OVER: &str = "Nothing to do: every value is under the new key already. The rotation was finalized at 2";

#[test]
fn a_run_behind_finalize_says_that_it_is_over_and_begins_nothing() {
    let database = finalized();
    let plan = columns(&database, "lifeboat", "plan").run().expect(0).stdout;
    assert!(plan.contains("another begins only when a value is under the old key"), "{plan}");
    for options in
        [&[][..], &["--dry-run"], &["--mode", "staged"], &["--mode", "staged", "--cut-over"], &["--mode", "offline"]]
    {
        let again = run(&database, options).expect(0).stdout;
        assert!(again.contains("30 already new") && again.contains(OVER), "{options:?}: {again}");
        assert_eq!(rotations(&database), "1|0", "{options:?}");
    }
    let json = told(&run(&database, &["--json"]).expect(0));
    assert!(json["summary"]["finalized"].is_string(), "{json:#}");
    let finalize = columns(&database, "lifeboat", "finalize").run().expect(0).stdout;
    assert!(finalize.contains("It was finalized before"), "{finalize}");
}

#[test]
fn what_the_application_wrote_under_the_old_key_since_is_rotated() {
    let database = finalized();
    let late = value(OLD, "written since");
    database.psql(&format!("INSERT INTO project_env_vars VALUES ('late', '{late}')"));
    let again = run(&database, &[]).expect(0).stdout;
    assert!(again.contains(": 1 rotated, 30 already new\n") && !again.contains("Nothing to do"), "{again}");
    assert_eq!(rotations(&database), "2|1");
    assert_eq!(plaintexts(&database, NEW)["late"], "written since");
    columns(&database, "lifeboat", "finalize").run().expect(0);
    assert!(run(&database, &[]).expect(0).stdout.contains(OVER));
    assert_eq!(rotations(&database), "2|0");
}

#[test]
fn rows_that_open_by_neither_key_are_named_though_no_rotation_begins() {
    let database = finalized();
    database.psql(&format!("INSERT INTO project_env_vars VALUES ('lost', '{}')", value(LOST, "lost")));
    let again = run(&database, &[]).expect(3).stdout;
    for line in ["lost: failed authentication", "every value that opens is under the new key already"] {
        assert!(again.contains(line), "{line:?} in {again}");
    }
    assert_eq!(rotations(&database), "1|0");
    database.psql(&format!("INSERT INTO project_env_vars VALUES ('late', '{}')", value(OLD, "late")));
    let verify = columns(&database, "lifeboat", "verify").run().expect(3).stdout;
    let told = "  1 open by neither key; 1 under the old key: `run` rotates them\n  public.project_env_vars lost: ";
    assert!(verify.contains(told), "{verify}");
}

#[test]
fn a_table_that_came_since_is_rotated_with_what_is_over() {
    let database = finalized();
    database
        .psql("CREATE TABLE others AS TABLE project_env_vars WITH NO DATA; ALTER TABLE others ADD PRIMARY KEY (id)");
    database.psql(&format!("INSERT INTO others VALUES ('a', '{}')", value(OLD, "of another table")));
    let others = |verb: &str| columns_of(&database, "lifeboat", verb, "others").run().expect(0).stdout;
    assert!(others("run").contains(": 1 rotated\n"));
    assert_eq!(rotations(&database), "2|1");
    others("finalize");
    assert!(others("run").contains(OVER));
}
