//! Roles that the target server lacks: refused with a list, created, created as stubs, or left out.

use lifeboat_tests::compare::{assert_same, assert_same_contents};
use lifeboat_tests::servers::postgres::{Options, PASSWORD};
use lifeboat_tests::{Database, Depot, Major, Postgres, Way, every_method, every_way, fixtures, unused_name};

const LOGS_IN: &str = "logs in; \"daily\"";

fn bare_server() -> Postgres {
    Postgres::start(Major::V15, &Options { without_roles: true, ..Options::default() })
}

/// The hard database and, as owner of a table, a role that may log in and has settings of its own.
fn with_roles() -> Database<'static> {
    let database = fixtures::hard(Major::V15);
    // All tests of this binary share the server and its roles.
    database.psql(
        r#"DO $$ BEGIN CREATE ROLE "logs in; ""daily""" LOGIN CONNECTION LIMIT 3 PASSWORD 'canary-role-password';
           EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
           ALTER TABLE no_rows OWNER TO "logs in; ""daily""";"#,
    );
    database
}

/// Those of [`with_roles`], and what else there is whose name begins alike: of a server that this test has for itself.
fn roles_of(server: &Postgres) -> String {
    roles(server, "rolname LIKE 'hard%' OR rolname LIKE 'Hard%' OR rolname LIKE 'logs%'")
}

/// Those of [`with_roles`] alone.
fn shared_roles() -> String {
    let names = r#"'hard_owner', 'hard_reader', 'hard_tenant', 'Hard "Role" with spaces', 'logs in; "daily"'"#;
    roles(Postgres::shared(Major::V15), &format!("rolname IN ({names})"))
}

fn roles(server: &Postgres, which: &str) -> String {
    server
        .psql("postgres", &format!("SELECT rolname, rolcanlogin, rolconnlimit FROM pg_roles WHERE {which} ORDER BY 1"))
}

every_way!(missing_roles_are_created_as_they_were_without_passwords);
// What is known of roles is in an object of its own, which the first of them reads sealed, too.
every_method!(
    missing_roles_are_left_out_with_what_belongs_to_them,
    missing_roles_are_listed_and_nothing_is_created,
    missing_roles_are_stubs_that_cannot_log_in,
    roles_that_a_failed_restore_created_are_told,
    a_role_with_a_name_that_is_not_ascii_comes_back,
);

fn missing_roles_are_listed_and_nothing_is_created(way: Way) {
    let (depot, original, server) = (Depot::file().by(way), with_roles(), bare_server());
    depot.backup(&original);
    let name = unused_name("refused");
    let outcome = depot.restore_command(&server, &name).arg("--create").run().expect(40);
    for role in ["hard_owner", "hard_reader", "Hard \"Role\" with spaces", LOGS_IN] {
        let told = role.replace('"', "\\\"");
        assert!(outcome.stdout.contains(&told), "{role} in {}", outcome.stdout);
    }
    assert!(outcome.text().contains("--roles create"), "{}", outcome.text());
    assert_eq!(server.databases_like("refused"), "");
    assert_eq!(roles_of(&server), "");

    let dry =
        depot.restore_command(&server, &name).args(["--create", "--dry-run", "--roles", "create"]).run().expect(0);
    assert!(dry.stdout.contains("hard_owner"), "{}", dry.stdout);
    assert_eq!((server.databases_like("refused"), roles_of(&server)), (String::new(), String::new()));
}

fn missing_roles_are_created_as_they_were_without_passwords(way: Way) {
    let (depot, original, server) = (Depot::file().by(way), with_roles(), bare_server());
    depot.backup(&original);
    let name = unused_name("created");
    let outcome = depot.restore_command(&server, &name).args(["--create", "--roles", "create"]).run().expect(0);
    assert_eq!(roles_of(&server), shared_roles());
    assert_eq!(members_of(&server, "hard_reader"), "hard_tenant");
    let lines = &outcome.result()["passwords_to_set"];
    assert_eq!(lines, &serde_json::json!(["ALTER ROLE \"logs in; \"\"daily\"\"\" PASSWORD '…';"]));
    assert_eq!(
        server.psql("postgres", "SELECT count(*) FROM pg_authid WHERE rolname LIKE 'logs%' AND rolpassword IS NULL"),
        "1"
    );
    assert_same(&original, &server.adopt(&name));
}

fn members_of(server: &Postgres, group: &str) -> String {
    let members = format!("SELECT member::regrole FROM pg_auth_members WHERE roleid = '{group}'::regrole ORDER BY 1");
    server.psql("postgres", &members)
}

fn missing_roles_are_stubs_that_cannot_log_in(way: Way) {
    let (depot, original, server) = (Depot::file().by(way), with_roles(), bare_server());
    depot.backup(&original);
    let name = unused_name("stubs");
    let outcome = depot.restore_command(&server, &name).args(["--create", "--roles", "stub"]).run().expect(0);
    assert_eq!(outcome.result()["passwords_to_set"], serde_json::json!([]));
    assert_eq!(
        server.psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'logs%' AND NOT rolcanlogin"),
        "1"
    );
    assert_same(&original, &server.adopt(&name));
}

fn missing_roles_are_left_out_with_what_belongs_to_them(way: Way) {
    let (depot, original, server) = (Depot::file().by(way), with_roles(), bare_server());
    depot.backup(&original);
    let name = unused_name("skipped");
    depot.restore_command(&server, &name).args(["--create", "--roles", "skip"]).run().expect(0);
    let restored = server.adopt(&name);
    assert_same_contents(&original, &restored);
    assert_eq!(roles_of(&server), "");
    assert_eq!(restored.psql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"), "postgres");
}

#[test]
fn a_role_that_cannot_be_created_leaves_none_and_who_may_not_create_is_refused_before() {
    let (depot, original, server) = (Depot::file(), fixtures::small(Major::V15), bare_server());
    // No session of the source knows plpgsql's parameters; the target's do, and refuse the value.
    original.psql(
        "DO $$ BEGIN CREATE ROLE none_a; CREATE ROLE none_b; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    );
    original.psql(
        "ALTER ROLE none_b SET plpgsql.variable_conflict = 'nonsense';
         ALTER TABLE items OWNER TO none_a; ALTER TABLE orders OWNER TO none_b",
    );
    original.psql(&format!("ALTER DATABASE {} OWNER TO none_a", original.name));
    depot.backup(&original);
    let none = || server.psql("postgres", "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'none_')");

    server.psql("postgres", &format!("CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'"));
    let name = unused_name("none");
    let as_clerk = |options: &[&str]| {
        let into = server.dsn_as("clerk", PASSWORD, &name);
        depot
            .lifeboat("restore")
            .args(["shop/latest", "--into", "env:TARGET_URL", "--create"])
            .args(options)
            .env("TARGET_URL", into)
    };
    let dry = as_clerk(&["--dry-run", "--roles", "stub"]).run().expect(40);
    for word in [
        "the role clerk may not create databases",
        "ALTER ROLE \"clerk\" CREATEDB",
        "the role clerk may not create roles",
        "ALTER ROLE \"clerk\" CREATEROLE",
    ] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    server.psql("postgres", "ALTER ROLE clerk CREATEDB CREATEROLE");
    as_clerk(&["--dry-run", "--roles", "stub"]).run().expect(0);
    let refused = as_clerk(&["--roles", "create"]).run().expect(40);
    assert!(refused.stderr.contains("the role clerk is no superuser"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: connect as a superuser, or use --roles stub"), "{}", refused.stderr);

    server.psql("postgres", "ALTER ROLE clerk SUPERUSER; ALTER ROLE clerk SET session_preload_libraries = 'plpgsql'");
    let failed = as_clerk(&["--roles", "create"]).run().expect(20);
    assert!(failed.stderr.contains("create the role none_b"), "{}", failed.stderr);
    assert_eq!((none(), server.databases_like(&name)), (String::new(), String::new()));
}

#[test]
fn who_is_no_superuser_restores_what_others_own_as_a_member_or_leaves_them_out() {
    let (depot, original, server) = (Depot::file(), Postgres::shared(Major::V15).database("owned"), bare_server());
    let role = "DO $$ BEGIN CREATE ROLE own_er; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    original.psql(&format!(
        "{role}; CREATE TABLE t (x int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO own_er;
         ALTER DATABASE {} OWNER TO own_er",
        original.name
    ));
    depot.backup(&original);
    server.psql("postgres", &format!("CREATE ROLE own_er; CREATE ROLE clerk LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
    let as_clerk = |name: &str, options: &[&str]| {
        let into = ("TARGET_URL", server.dsn_as("clerk", PASSWORD, name));
        let restore = depot.lifeboat("restore").args(["shop/latest", "--into", "env:TARGET_URL"]);
        restore.args(options).env(into.0, into.1).run()
    };
    let owners = |name: &str| {
        let owners = "SELECT tableowner, pg_get_userbyid(datdba) FROM pg_tables, pg_database
                      WHERE tablename = 't' AND datname = current_database()";
        server.adopt(name).psql(owners)
    };

    let name = unused_name("owned");
    for dry in [&["--create", "--dry-run"][..], &["--create"][..]] {
        let refused = as_clerk(&name, dry).expect(40).text();
        for word in ["the role clerk is no member of own_er", "GRANT", "--roles skip"] {
            assert!(refused.contains(word), "{word} in {refused}");
        }
    }
    as_clerk(&name, &["--create", "--roles", "skip"]).expect(0);
    assert_eq!(owners(&name), "clerk|clerk");

    let name = unused_name("owned");
    server.psql("postgres", &format!("CREATE DATABASE {name} OWNER clerk"));
    let failed = as_clerk(&name, &[]).expect(20).text();
    for word in ["clerk is no member of own_er", "OWNER TO own_er: run a statement", "grant the role that restores"] {
        assert!(failed.contains(word), "{word} in {failed}");
    }
    assert!(!failed.contains("pg_read_all_data"), "{failed}");
    drop(server.adopt(&name));

    server.psql("postgres", "GRANT own_er TO clerk");
    as_clerk(&name, &["--create"]).expect(0);
    assert_eq!(owners(&name), "own_er|own_er");
}

fn roles_that_a_failed_restore_created_are_told(way: Way) {
    let (depot, original, server) = (Depot::file().by(way), with_roles(), bare_server());
    original.psql(&format!(
        "CREATE TABLE public.picky (x int); INSERT INTO public.picky VALUES (1);
         CREATE FUNCTION public.at_home(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
             IF current_database() <> '{}' THEN RAISE EXCEPTION 'not at home'; END IF; RETURN x; END $$;
         CREATE INDEX ON public.picky (public.at_home(x))",
        original.name
    ));
    depot.backup(&original);
    let name = unused_name("told");
    let outcome = depot.restore_command(&server, &name).args(["--create", "--roles", "create"]).run().expect(20);
    assert!(outcome.text().contains("not at home"), "{}", outcome.text());
    let told = outcome.text();
    assert_eq!(told.matches("not at home").count(), 1, "{told}");
    let told = told.lines().find(|line| line.contains("were created and stay")).expect("the roles are told");
    assert!(told.contains("hard_owner") && told.contains("hard_reader"), "{told}");
    assert_eq!(server.databases_like(&name), "");
}

fn a_role_with_a_name_that_is_not_ascii_comes_back(way: Way) {
    let (depot, server) = (Depot::file().by(way), bare_server());
    let source = bare_server();
    source.psql("postgres", "CREATE ROLE \"J\u{fc}rgen \u{141}\" LOGIN CONNECTION LIMIT 7");
    let original = source.database("umlaut");
    original.psql("CREATE TABLE t (x int); ALTER TABLE t OWNER TO \"J\u{fc}rgen \u{141}\"");
    depot.backup(&original);
    let name = unused_name("umlaut");
    depot.restore_command(&server, &name).args(["--create", "--roles", "create"]).run().expect(0);
    assert_eq!(server.psql("postgres", "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'J\u{fc}rgen \u{141}'"), "7");
}
