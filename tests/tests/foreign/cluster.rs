//! Dumps of whole servers by pg_dumpall: refused with a recipe that works as it stands.

use std::process::{Command, Output};

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{Shelf, gzip, through};
use lifeboat_tests::servers::postgres::{Options, PLAIN_ROLE, TLS_ROLE};
use lifeboat_tests::{Database, Major, Postgres, fixtures, lifeboat, scratch, unused_name};

use crate::world::{refused, said};

const ROLES: &str =
    "CREATE ROLE owners NOLOGIN; CREATE ROLE \"Shop App\" LOGIN PASSWORD 'of the app' CONNECTION LIMIT 7;
    GRANT owners TO \"Shop App\"; ALTER ROLE \"Shop App\" SET statement_timeout = '5s'; CREATE ROLE readers";

/// A server with roles and two databases of theirs, dumped as its operator did it every night.
fn nightly(server: &Postgres) -> ([Database<'_>; 2], Vec<u8>) {
    server.psql("postgres", ROLES);
    let databases = ["shop", "Ledger 2"].map(|name| {
        server.psql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER owners"));
        let database = server.adopt(name);
        database.load(&fixtures::sql(fixtures::SMALL));
        database.psql(
            "SET ROLE owners; CREATE TABLE owned (id int PRIMARY KEY, text text);
             INSERT INTO owned SELECT i, E'row\\n\\\\connect ' || i FROM generate_series(1, 500) i;
             GRANT SELECT ON owned TO readers, \"Shop App\"",
        );
        database
    });
    let all = through(&mut server.client("pg_dumpall", "postgres"), b"");
    (databases, all)
}

/// Types a line on the host of this server.
fn typed(line: &str, shelf: &Shelf, server: &Postgres, target: &str) -> Output {
    let path = format!("{}:{}", lifeboat::built().display(), server.installation.path());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .current_dir(shelf.0.path())
        .env_clear()
        .envs(server.client_environment("postgres"))
        .env("PATH", path)
        .env("HOME", shelf.0.path())
        .env("TARGET_URL", server.dsn(target))
        .output()
        .unwrap()
}

/// Who there is, with what they may and their passwords' hashes.
fn roles(server: &Postgres) -> String {
    server.psql(
        "postgres",
        "SELECT a.rolname, a.rolcanlogin, a.rolsuper, a.rolconnlimit, a.rolpassword, r.rolconfig,
            ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = a.oid)
         FROM pg_authid a JOIN pg_roles r USING (oid) WHERE a.rolname IN ('owners', 'Shop App', 'readers') ORDER BY 1",
    )
}

/// The commands that the manual has for it.
fn page() -> Vec<String> {
    let manual = std::fs::read_to_string(scratch::workspace().join("docs/restore.md")).unwrap();
    let (_, behind) = manual.split_once("**A dump of `pg_dumpall`**").expect("the manual speaks of it");
    let block = behind.split("```").nth(1).expect("and has the commands");
    block.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_recipe_brings_back_roles_and_databases_of_a_server_that_is_gone() {
    let options = Options { without_roles: true, ..Options::default() };
    let (gone, new) = (Postgres::start(Major::V15, &options), Postgres::start(Major::V15, &options));
    new.psql("postgres", &format!("DROP ROLE {PLAIN_ROLE}, {TLS_ROLE}"));
    let ([shop, ledger], all) = nightly(&gone);
    let shelf = Shelf::new();
    let file = shelf.put("all.sql.gz", &gzip(&all));
    let refusal = said(&refused(&file, &new, 40, &[]));
    assert!(refusal.contains("by pg_dumpall"), "{refusal}");
    let recipe = refusal.split_once("a new one (").and_then(|(_, behind)| behind.split_once(')')).expect("a recipe").0;
    assert_eq!(recipe, "gunzip -c < FILE | psql -X -d postgres");

    let restored = new.adopt(&unused_name("taken_over"));
    let commands = page();
    assert!(commands[1].starts_with(&recipe.replace("< FILE", "all.sql.gz")), "{commands:?}");
    for line in &commands {
        let output = typed(line, &shelf, &new, &restored.name);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let errors = std::fs::read_to_string(shelf.0.path().join("errors")).unwrap();
    assert_eq!(errors.trim(), "ERROR:  role \"postgres\" already exists");
    assert_eq!(roles(&gone), roles(&new));
    assert_eq!(roles(&new).lines().count(), 3);
    assert_same_but_settings(&shop, &restored);
    assert_same_but_settings(&ledger, &new.adopt("Ledger 2"));

    let cut = shelf.put("all.sql.gz", &gzip(&all[..all.len() / 2]));
    assert!(!typed(&commands[0], &shelf, &new, "none").status.success(), "{}", cut.display());
}
