//! `lifeboat rotate columns`, from its options alone, as an operator or a script calls it.

use std::collections::BTreeMap;
use std::fs;

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{ColumnKey, KeyFormat};
use lifeboat_tests::terminal::on_a_terminal;
use lifeboat_tests::{Database, Lifeboat, Major, Outcome, Postgres};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee01";
pub(crate) const NEW: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee02";
pub(crate) const LOST: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee03";

fn keyring(secret: &str) -> Keyring {
    let key = ColumnKey::derive(&secret.to_owned().into(), &KeyFormat::Hex).unwrap();
    Keyring::new("base64(iv tag ct)".parse().unwrap(), key).unwrap()
}

pub(crate) fn value(secret: &str, text: &str) -> String {
    keyring(secret).encrypt(text.as_bytes(), b"").unwrap().text().unwrap().to_owned()
}

/// briven's table, with 30 values under the old key.
pub(crate) fn table() -> Database<'static> {
    let database = Postgres::shared(Major::V15).database("commands");
    database.psql("CREATE TABLE project_env_vars (id text PRIMARY KEY, encrypted_value text NOT NULL)");
    let rows = (0..30).map(|n| format!("('ev_{n}', '{}')", value(OLD, &format!("secret {n}"))));
    database.psql(&format!("INSERT INTO project_env_vars VALUES {}", rows.collect::<Vec<_>>().join(", ")));
    database
}

/// The command of issue and page: everything is said by options.
pub(crate) fn columns(database: &Database<'_>, program: &str, verb: &str) -> Lifeboat {
    columns_of(database, program, verb, "project_env_vars")
}

pub(crate) fn columns_of(database: &Database<'_>, program: &str, verb: &str, table: &str) -> Lifeboat {
    modeless(database, program, verb, table).args(["--mode", "online"])
}

fn without_mode(database: &Database<'_>, verb: &str) -> Lifeboat {
    modeless(database, "lifeboat", verb, "project_env_vars")
}

pub(crate) fn modeless(database: &Database<'_>, program: &str, verb: &str, table: &str) -> Lifeboat {
    let command = Lifeboat::program(program).args(if program == "lifeboat" { vec!["rotate"] } else { Vec::new() });
    command
        .args(["columns", verb, "--database-url", "env:DATABASE_URL", "--table", table])
        .args(["--column", "encrypted_value", "--layout", "base64(iv tag ct)"])
        .args(["--old", "env:BRIVEN_ENCRYPTION_KEY_OLD", "--new", "env:BRIVEN_ENCRYPTION_KEY"])
        .env("DATABASE_URL", database.dsn())
        .env("BRIVEN_ENCRYPTION_KEY_OLD", OLD)
        .env("BRIVEN_ENCRYPTION_KEY", NEW)
}

fn under(database: &Database<'_>, secret: &str) -> usize {
    let values = database.psql("SELECT encrypted_value FROM project_env_vars");
    values.lines().filter(|value| keyring(secret).open(&[Some(value.as_bytes())], b"").is_ok()).count()
}

/// What a key opens, by the rows' ids.
pub(crate) fn plaintexts(database: &Database<'_>, secret: &str) -> BTreeMap<String, String> {
    let keyring = keyring(secret);
    let open = |line: &str| {
        let (id, value) = line.split_once('|').unwrap();
        let opened = keyring.open(&[Some(value.as_bytes())], b"").ok()?;
        Some((id.to_owned(), String::from_utf8(opened.plaintext().to_vec()).unwrap()))
    };
    database.psql("SELECT id, encrypted_value FROM project_env_vars").lines().filter_map(open).collect()
}

/// What the last record says of the only database.
pub(crate) fn told(outcome: &Outcome) -> Value {
    let result = outcome.result();
    result["databases"][0].clone()
}

#[test]
fn a_key_is_rotated_from_options_alone() {
    let database = table();
    let plan = columns(&database, "lifeboat", "plan").arg("--json").run().expect(0);
    let plan = told(&plan)["plan"]["targets"][0].clone();
    assert_eq!(plan["sample"]["counts"]["rotated"], 30, "{plan:#}");
    assert_eq!(under(&database, OLD), 30, "a plan writes nothing");

    let dry = columns(&database, "lifeboat", "run").arg("--dry-run").run().expect(0);
    assert!(dry.stdout.contains("30 to rotate\nNothing was written"), "{}", dry.stdout);
    assert_eq!(under(&database, OLD), 30, "a dry run writes nothing");

    let other = columns(&database, "lifeboat", "run").args(["--confirm-new", "0123456789abcdef"]).run().expect(12);
    assert!(other.stderr.contains("was confirmed"), "{}", other.stderr);
    assert_eq!(under(&database, OLD), 30, "another key than the confirmed one writes nothing");

    let fingerprint = plan["new_key"].as_str().unwrap().to_owned();
    let run = columns(&database, "lifeboat-rotate", "run").args(["--confirm-new", &fingerprint]).run().expect(0);
    assert!(run.stdout.contains("public.project_env_vars.encrypted_value: 30 rotated"), "{}", run.stdout);
    assert!(!run.stderr.contains("mode online"), "it was told which: {}", run.stderr);
    assert_eq!((under(&database, OLD), under(&database, NEW)), (0, 30));

    let status = Lifeboat::new().args(["rotate", "columns", "status", "--database-url", "env:DATABASE_URL"]);
    let status = status.env("DATABASE_URL", database.dsn()).run().expect(0);
    assert!(status.stdout.contains("swept") && status.stdout.contains(&fingerprint), "{}", status.stdout);
    let verify = columns(&database, "lifeboat", "verify").run().expect(0);
    assert!(verify.stdout.contains("alone opens 30 values"), "{}", verify.stdout);
    let finalize = columns(&database, "lifeboat", "finalize").run().expect(0);
    assert!(finalize.stdout.contains("no store is configured"), "{}", finalize.stdout);
    assert!(finalize.stdout.contains("(env:BRIVEN_ENCRYPTION_KEY_OLD) out of the application"), "{}", finalize.stdout);
    for outcome in [dry, other, run, status, verify, finalize] {
        assert!(![OLD, NEW].iter().any(|key| outcome.text().contains(key)), "{}", outcome.text());
    }
}

#[test]
fn rows_that_do_not_open_are_named_by_key_and_can_be_given_up() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let lost = value(LOST, "lost");
    database.psql(&format!("INSERT INTO project_env_vars VALUES ('lost', '{lost}'), ('plain', 'a word')"));
    let run = columns(&database, "lifeboat", "run").run().expect(3);
    for line in ["30 rotated, 1 plaintext, 1 failed authentication", "lost: failed authentication", "plain: plaintext"]
    {
        assert!(run.stdout.contains(line), "{line} in {}", run.stdout);
    }
    assert!(!run.text().contains(&lost), "what a row holds is not told");
    let verify = columns(&database, "lifeboat", "verify").run().expect(3);
    assert!(verify.stdout.contains("`run` rewrites those that the old key opens"), "{}", verify.stdout);
    let refused = columns(&database, "lifeboat", "finalize").run().expect(40);
    assert!(refused.stderr.contains("accept list"), "{}", refused.stderr);

    let list = folder.path().join("given-up");
    fs::write(&list, "# found on 22 November\n[public.project_env_vars]\nlost\n[\"plain\"]\n").unwrap();
    let accepted = |verb: &str| columns(&database, "lifeboat", verb).arg("--accept-list").arg(&list);
    accepted("run").run().expect(0);

    // A row of the list that the application has written with the old key since.
    let late = value(OLD, "written since");
    database.psql(&format!("UPDATE project_env_vars SET encrypted_value = '{late}' WHERE id = 'lost'"));
    let verify = accepted("verify").run().expect(3);
    assert!(verify.stdout.contains("lost: under the old key: `run` rotates it\n"), "not accepted: {}", verify.stdout);
    let blind = accepted("verify").env("BRIVEN_ENCRYPTION_KEY_OLD", "").run().expect(0);
    assert!(blind.stdout.contains("The old key is not at hand: nobody has looked"), "{}", blind.stdout);
    database.psql(&format!("UPDATE project_env_vars SET encrypted_value = '{lost}' WHERE id = 'lost'"));

    let finalized = accepted("finalize").run().expect(0);
    assert!(finalized.stdout.contains("2 rows of the accept list were given up"), "{}", finalized.stdout);
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_is_written() {
    let database = table();
    let same = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY", OLD).run().expect(2);
    assert!(same.stderr.contains("old and new key are the same"), "{}", same.stderr);
    let wrong = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY_OLD", LOST).run().expect(12);
    assert!(wrong.stderr.contains("nothing was written"), "{}", wrong.stderr);
    let unnamed = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY", "not hex").run().expect(2);
    assert!(unnamed.stderr.contains("--key-format") && !unnamed.text().contains("not hex"), "{}", unnamed.text());
    let unread = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY", "").run().expect(78);
    assert!(unread.stderr.contains("find the new key"), "{}", unread.stderr);
    assert_eq!(under(&database, OLD), 30);
}

#[test]
fn what_a_committed_finalize_has_to_say_is_said_without_another_look_and_again() {
    let database = table();
    columns(&database, "lifeboat", "run").run().expect(0);
    // Whoever connects from then on is refused.
    database.psql(
        "CREATE FUNCTION close() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE pg_database SET datallowconn = false WHERE datname = current_database(); RETURN NULL; END $$;
         CREATE TRIGGER close AFTER UPDATE ON lifeboat_rotate.rotation FOR EACH ROW WHEN (NEW.phase = 'finalized')
             EXECUTE FUNCTION close()",
    );
    let finalize = || columns(&database, "lifeboat", "finalize").run().expect(0);
    let blind = finalize();
    for told in ["finalized; the key", "nobody has looked whether it is needed for other rotations in", "backups"] {
        assert!(blind.stdout.contains(told), "{told} in {}", blind.text());
    }
    assert!(!blind.stdout.contains("out of the application"), "{}", blind.stdout);
    assert!(blind.stderr.contains("could not look for other rotations"), "{}", blind.stderr);

    let open = format!("UPDATE pg_database SET datallowconn = true WHERE datname = '{}'", database.name);
    database.server.psql("postgres", &open);
    let again = finalize();
    for told in ["It was finalized before, at 2", "out of the application", "no store is configured"] {
        assert!(again.stdout.contains(told), "{told} in {}", again.text());
    }
    let other = columns(&database, "lifeboat", "finalize").env("BRIVEN_ENCRYPTION_KEY_OLD", LOST).run().expect(40);
    assert!(other.stderr.contains("no rotation of it is under way"), "that was no such rotation: {}", other.stderr);
}

#[test]
fn a_rotation_that_finds_nothing_is_taken_back_and_begun_anew_by_another_layout() {
    let database = Postgres::shared(Major::V15).database("commands");
    database.psql(&format!(
        "CREATE TABLE settings (id int PRIMARY KEY, doc jsonb NOT NULL);
         INSERT INTO settings VALUES (1, '{{\"mail\": {{\"password\": \"{}\"}}}}')",
        value(OLD, "a password")
    ));
    let settings = |verb: &str, path: &str| {
        let arguments = Lifeboat::new().args(["rotate", "columns", verb, "--database-url", "env:DATABASE_URL"]);
        arguments
            .args(["--table", "settings", "--column", "doc", "--layout", &format!("json{{{path}: base64(iv tag ct)}}")])
            .args(["--old", "env:BRIVEN_ENCRYPTION_KEY_OLD", "--new", "env:BRIVEN_ENCRYPTION_KEY"])
            .env("DATABASE_URL", database.dsn())
            .env("BRIVEN_ENCRYPTION_KEY_OLD", OLD)
            .env("BRIVEN_ENCRYPTION_KEY", NEW)
    };
    let missed = settings("run", "smtp.password").run().expect(3);
    assert!(missed.stdout.contains("`rollback` of this column alone ends it"), "{}", missed.stdout);
    assert!(!missed.stdout.contains("The same command goes on"), "{}", missed.stdout);
    let unproven = settings("verify", "smtp.password").run().expect(3);
    assert!(
        unproven.stdout.contains("nothing was found") && !unproven.stdout.contains("Every value"),
        "{}",
        unproven.stdout
    );
    settings("run", "mail.password").run().expect(40);
    settings("rollback", "smtp.password").run().expect(0);
    settings("run", "mail.password").run().expect(0);
}

#[test]
fn a_rotation_goes_back_by_the_same_words() {
    let database = table();
    columns(&database, "lifeboat", "run").run().expect(0);
    let back = columns(&database, "lifeboat", "rollback").run().expect(0);
    assert!(back.stdout.contains("Every value is under the old key again"), "{}", back.stdout);
    assert_eq!(under(&database, OLD), 30);
}

#[test]
fn on_a_terminal_the_new_key_is_to_be_confirmed_before_the_first_write() {
    let database = table();
    let run = columns(&database, "lifeboat", "run");
    let (code, said) = on_a_terminal(&run, "yes");
    assert!(code == 40 && said.contains("the new key was not confirmed"), "{code}: {said}");
    assert_eq!(under(&database, OLD), 30, "nothing was written: {said}");
    let fingerprint = keyring(NEW).primary().fingerprint().to_owned();
    let (code, said) = on_a_terminal(&run, &fingerprint[12..]);
    assert!(code == 0 && said.contains(&fingerprint), "{code}: {said}");
    assert_eq!(under(&database, NEW), 30);
}

#[test]
fn a_rotation_under_way_is_told_and_its_keys_are_named_when_one_is_not_there() {
    let database = table();
    let fingerprint = keyring(NEW).primary().fingerprint().to_owned();
    let staged = |verb: &str| columns(&database, "lifeboat", verb);
    let begin = |verb: &str, options: &[&str]| {
        let arguments = Lifeboat::new().args(["rotate", "columns", verb, "--database-url", "env:DATABASE_URL"]);
        arguments
            .args(["--table", "project_env_vars", "--column", "encrypted_value", "--layout", "base64(iv tag ct)"])
            .args(["--old", "env:BRIVEN_ENCRYPTION_KEY_OLD", "--new", "env:BRIVEN_ENCRYPTION_KEY"])
            .args(options.iter().copied())
            .env("DATABASE_URL", database.dsn())
            .env("BRIVEN_ENCRYPTION_KEY_OLD", OLD)
            .env("BRIVEN_ENCRYPTION_KEY", NEW)
    };
    let fresh = begin("plan", &[]).run().expect(0);
    assert!(fresh.stdout.contains("begins, in the mode online"), "{}", fresh.stdout);
    let nothing = begin("run", &["--cut-over"]).run().expect(40);
    assert!(nothing.stderr.contains("they are not prepared"), "{}", nothing.stderr);
    let untold = begin("run", &["--dry-run"]).run().expect(0);
    assert!(
        untold.stderr.contains("mode online: every instance of the application must read both keys"),
        "{}",
        untold.stderr
    );
    assert!(untold.stderr.contains("--mode staged where it reads one"), "{}", untold.stderr);
    begin("run", &["--mode", "staged"]).run().expect(0);

    let plan = begin("plan", &[]).run().expect(0);
    assert!(
        plan.stdout.contains("under way since") && plan.stdout.contains("staged, prepared, 30 values"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("`run --cut-over` puts the values in place"), "{}", plan.stdout);
    let other = staged("plan").run().expect(40);
    assert!(other.stdout.contains("which is staged, in the mode online"), "{}", other.stdout);
    for verb in ["run", "rollback", "verify", "finalize"] {
        let unread = begin(verb, &[]).env("BRIVEN_ENCRYPTION_KEY", "").run().expect(78);
        assert!(unread.stderr.contains(&format!("to the key {fingerprint}")), "{verb}: {}", unread.stderr);
    }
    let again = begin("run", &[]).run().expect(0);
    assert!(again.stdout.contains("0 rotated by this run, 30 before"), "{}", again.stdout);
    assert!(!again.stderr.contains("mode online"), "{}", again.stderr);
    let cut_over = begin("run", &["--cut-over"]).run().expect(0);
    assert!(cut_over.stdout.contains("Then `run`, for what it wrote until then"), "{}", cut_over.stdout);
    let after = begin("run", &[]).run().expect(0);
    assert!(after.stdout.contains("When the application has restarted with the new key"), "{}", after.stdout);
    let status = Lifeboat::new().args(["rotate", "columns", "status", "--database-url", "env:DATABASE_URL"]);
    let status = status.env("DATABASE_URL", database.dsn()).run().expect(0);
    assert!(status.stdout.contains("in place") && status.stdout.contains("`finalize`"), "{}", status.stdout);
    assert_eq!(under(&database, NEW), 30);
}

#[test]
fn a_list_may_lie_beside_the_operator_and_its_useless_lines_are_told() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    database.psql("INSERT INTO project_env_vars VALUES ('plain', 'a word')");
    fs::write(folder.path().join("given-up"), "# typed by somebody\nplain\nplane\n[public.others]\n7\n").unwrap();
    for verb in ["run", "finalize"] {
        let mut command = columns(&database, "lifeboat", verb).args(["--accept-list", "given-up"]).command();
        let output = command.current_dir(folder.path()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 line of the accept list names no row that did not open: plane"), "{said}");
    }
}

#[test]
fn a_way_back_is_told_in_its_own_words() {
    let database = table();
    let staged = |verb: &str, options: &[&str]| {
        let mode_and_more = ["--mode", "staged"].iter().chain(options).copied();
        without_mode(&database, verb).args(mode_and_more).run()
    };
    let none = staged("rollback", &[]).expect(40);
    assert!(
        none.stderr.contains("none is under way") && !none.stderr.contains("rotate from the new"),
        "{}",
        none.stderr
    );
    staged("run", &[]).expect(0);
    let dropped = staged("rollback", &[]).expect(0);
    assert!(dropped.stdout.contains("what was prepared is dropped"), "{}", dropped.stdout);
    assert!(!dropped.stdout.contains("no values"), "{}", dropped.stdout);

    staged("run", &[]).expect(0);
    staged("run", &["--cut-over"]).expect(0);
    let late = value(OLD, "written since");
    database.psql(&format!("UPDATE project_env_vars SET encrypted_value = '{late}' WHERE id = 'ev_3'"));
    let back = staged("rollback", &[]).expect(0);
    assert!(back.stdout.contains(": 29 taken back, 1 under the old key before\n"), "{}", back.stdout);
    assert_eq!(under(&database, OLD), 30);
}

#[test]
fn what_is_wrong_with_keys_and_names_is_told_so_that_it_can_be_mended() {
    let database = table();
    let wrong = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY_OLD", LOST).run().expect(12);
    assert!(wrong.stderr.contains("of 30 rows: 30 failed authentication"), "a row counts once: {}", wrong.stderr);
    let same = columns(&database, "lifeboat", "run").env("BRIVEN_ENCRYPTION_KEY_OLD", NEW).run().expect(2);
    assert!(same.stderr.contains("the old key is the one that values are under"), "{}", same.stderr);
    for (variable, told) in [
        ("BRIVEN_ENCRYPTION_KEY_OLD", "read the old key: choose"),
        ("BRIVEN_ENCRYPTION_KEY", "read the new key: choose"),
    ] {
        let cut = columns(&database, "lifeboat", "run").env(variable, &NEW[..63]).run().expect(2);
        assert!(cut.stderr.contains(told), "{variable}: {}", cut.stderr);
    }
    // How the old key is made is said: the new one is on its own.
    let passphrase = |new: &str| {
        let said = columns(&database, "lifeboat", "run").args(["--old-key-format", "sha256"]);
        said.env("BRIVEN_ENCRYPTION_KEY_OLD", "a passphrase").env("BRIVEN_ENCRYPTION_KEY", new).run()
    };
    let opened_nothing = passphrase(NEW).expect(12);
    assert!(opened_nothing.stderr.contains("30 failed authentication"), "{}", opened_nothing.stderr);
    let cut = passphrase(&NEW[..63]).expect(2);
    assert!(cut.stderr.contains("read the new key: choose"), "{}", cut.stderr);
    let said = columns(&database, "lifeboat", "run").args(["--key-format", "hex"]);
    let cut = said.env("BRIVEN_ENCRYPTION_KEY", &NEW[..63]).run().expect(78);
    assert!(cut.stderr.contains("take the new key: read the key: expected 64"), "{}", cut.stderr);
    let misspelt = columns_of(&database, "lifeboat", "run", "project_env_var").run().expect(10);
    assert!(misspelt.stderr.contains("`detect` finds"), "{}", misspelt.stderr);
    assert_eq!(under(&database, OLD), 30);
}

#[test]
fn a_column_that_another_declared_one_is_bound_to_is_refused_alone() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    database.psql("ALTER TABLE project_env_vars ADD note text");
    let file = folder.path().join("lifeboat.toml");
    let bound = "[[rotate.column]]\ntable = \"project_env_vars\"\ncolumn = \"note\"\nlayout = \"base64(iv tag ct)\"\n";
    let declared = |aad: &str| fs::write(&file, format!("{bound}aad = {aad:?}\n")).unwrap();
    declared("{id}/{encrypted_value}");
    let alone = |verb: &str| columns(&database, "lifeboat", verb).arg("--config").arg(&file).run();
    let why = "the AAD {id}/{encrypted_value} of public.project_env_vars.note is made of encrypted_value";
    for refused in [alone("plan").expect(40), alone("run").expect(40)] {
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    assert_eq!(under(&database, OLD), 30);
    declared("{id}");
    alone("run").expect(0);
}

#[test]
fn a_declared_column_counts_for_a_database_of_another_name_and_for_the_tables_below_its_own() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    database.psql(
        "ALTER TABLE project_env_vars ADD note text; CREATE TABLE all_vars (LIKE project_env_vars);
         ALTER TABLE project_env_vars INHERIT all_vars",
    );
    let file = folder.path().join("lifeboat.toml");
    let databases = ["one", "two"].map(|name| format!("[[database]]\nname = {name:?}\nurl = \"env:ELSEWHERE\"\n"));
    let named = |verb: &str, name: &str| {
        columns(&database, "lifeboat", verb).args(["--name", name]).arg("--config").arg(&file).run()
    };
    for table in ["project_env_vars", "all_vars"] {
        let column = format!("[[rotate.column]]\ndatabase = \"one\"\ntable = {table:?}\ncolumn = \"note\"\n");
        let form = "layout = \"base64(iv tag ct)\"\naad = \"{encrypted_value}\"\n";
        fs::write(&file, format!("{}{column}{form}", databases.concat())).unwrap();
        let why = format!("the AAD {{encrypted_value}} of public.{table}.note is made of encrypted_value");
        for (verb, name) in [("plan", "one"), ("run", "one"), ("plan", "other"), ("run", "other")] {
            let refused = named(verb, name).expect(40);
            assert!(refused.text().contains(&why), "{table}, {verb}, {name}: {}", refused.text());
        }
    }
    assert_eq!(under(&database, OLD), 30);
    named("run", "two").expect(0);
}
