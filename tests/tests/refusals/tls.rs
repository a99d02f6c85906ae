//! TLS: a whole round trip under verify-full, child tools included, and each way it can fail.

use std::path::Path;

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::servers::certificates::{CERTIFIED, Certificates};
use lifeboat_tests::servers::postgres::{Options, PASSWORD, TLS_ROLE};
use lifeboat_tests::{Database, Major, Outcome, Postgres, fixtures};

use crate::shop::{Store, assert_refused};

/// A server that lets [`TLS_ROLE`], a superuser there, in with TLS only.
fn server() -> Postgres {
    let server = Postgres::start(Major::V15, &Options { tls: true, ..Options::default() });
    server.psql("postgres", &format!("ALTER ROLE {TLS_ROLE} SUPERUSER"));
    server
}

fn shop(server: &Postgres) -> Database<'_> {
    let database = server.database("shop");
    database.load(&fixtures::sql(fixtures::SMALL));
    database
}

fn dsn(server: &Postgres, host: &str, database: &str, rest: &str) -> String {
    format!(
        "host={host} hostaddr=127.0.0.1 port={} user={TLS_ROLE} password={PASSWORD} dbname={database} {rest}",
        server.port()
    )
}

fn trusting(authority: &Path) -> String {
    format!("sslrootcert={}", authority.display())
}

#[test]
fn a_round_trip_over_verify_full_restores_every_row() {
    let (server, certificates, store) = (server(), Certificates::of_this_checkout(), Store::new());
    let shop = shop(&server);
    let full = format!("sslmode=verify-full {}", trusting(&certificates.authority));
    store.backup(&dsn(&server, "localhost", &shop.name, &full)).run().expect(0);
    let copy = server.adopt(&format!("{}_copy", shop.name));
    store.restore(&dsn(&server, "localhost", &copy.name, &full)).arg("--create").run().expect(0);
    assert_same(&shop, &copy);
}

#[test]
fn each_failure_of_tls_has_its_own_message_and_hint() {
    let (server, certificates, store) = (server(), Certificates::of_this_checkout(), Store::new());
    let (trusted, stranger) = (trusting(&certificates.authority), trusting(&certificates.stranger));
    let attempt = |host: &str, rest: &str| -> Outcome { store.backup(&dsn(&server, host, "postgres", rest)).run() };
    let hopeless = |outcome: Outcome, code: i32, words: &[&str]| {
        let outcome = assert_refused(outcome, code, words);
        assert!(!outcome.stderr.contains("will be repeated") && !outcome.text().contains(PASSWORD));
    };

    let wrong_name = attempt("other.invalid", &format!("sslmode=verify-full {trusted}"));
    hopeless(wrong_name, 20, &["the name other.invalid", "certificate", "subjectAltName"]);
    for mode in ["verify-full", "verify-ca"] {
        let untrusted = attempt("localhost", &format!("sslmode={mode} {stranger}"));
        hopeless(untrusted, 20, &["trust the certificate", "sslrootcert"]);
    }
    let system = attempt("localhost", "sslrootcert=system");
    hopeless(system, 20, &["trust the certificate", "sslrootcert"]);
    let missing = attempt("localhost", "sslmode=verify-full sslrootcert=/nowhere/root.crt");
    hopeless(missing, 78, &["/nowhere/root.crt"]);
    let without = attempt("localhost", "sslmode=disable");
    hopeless(without, 20, &["be let in", "pg_hba.conf"]);
    let nonsense = attempt("localhost", "sslmode=perhaps");
    hopeless(nonsense, 78, &["sslmode", "perhaps"]);
    assert_eq!(store.objects_of_backups(), [""; 0]);
}

#[test]
fn a_role_without_a_password_is_let_in_by_its_certificate_child_tools_too() {
    let (server, certificates, store) = (server(), Certificates::of_this_checkout(), Store::new());
    server.psql("postgres", &format!("CREATE ROLE {CERTIFIED} SUPERUSER LOGIN"));
    let shop = shop(&server);
    let copy = server.adopt(&format!("{}_copy", shop.name));
    let dsn = |database: &str, rest: &str| {
        let (port, full) = (server.port(), trusting(&certificates.authority));
        format!(
            "host=localhost hostaddr=127.0.0.1 port={port} user={CERTIFIED} dbname={database} sslmode=verify-full {full} {rest}"
        )
    };
    let (certificate, key) = &certificates.client;
    let client = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    for method in ["parallel", "stream"] {
        store.backup(&dsn(&shop.name, &client)).args(["--method", method]).run().expect(0);
    }
    store.restore(&dsn(&copy.name, &client)).arg("--create").run().expect(0);
    assert_same(&shop, &copy);
    let without = store.backup(&dsn(&shop.name, "")).run();
    assert_refused(without, 20, &["certificate", "sslcert"]);
}

#[test]
fn another_name_passes_under_verify_ca() {
    let (server, certificates, store) = (server(), Certificates::of_this_checkout(), Store::new());
    let rest = format!("sslmode=verify-ca {}", trusting(&certificates.authority));
    store.backup(&dsn(&server, "other.invalid", "postgres", &rest)).run().expect(0);
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let store = Store::new();
    let dsn = format!("{}?sslmode=require", Postgres::shared(Major::V15).dsn("postgres"));
    let outcome = assert_refused(store.backup(&dsn).run(), 20, &["does not speak it", "ssl = on", "sslmode"]);
    assert!(!outcome.stderr.contains("will be repeated"), "{}", outcome.stderr);
}
