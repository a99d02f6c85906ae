//! A server that cannot be reached or will not let us in: each cause told apart, and only what may pass tried again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lifeboat_tests::servers::postgres::{PASSWORD, PLAIN_ROLE, SUPERUSER};
use lifeboat_tests::{Major, Outcome, Postgres};

use crate::shop::{Store, assert_refused};

fn server() -> &'static Postgres {
    Postgres::shared(Major::V15)
}

/// Refused, never tried again, and nothing in the store.
#[track_caller]
fn hopeless(dsn: &str, words: &[&str]) -> Outcome {
    let store = Store::new();
    let outcome = assert_refused(store.backup(dsn).run(), 20, words);
    assert!(!outcome.stderr.contains("will be repeated"), "{}", outcome.stderr);
    assert_eq!(store.objects_of_backups(), [""; 0]);
    outcome
}

#[test]
fn a_wrong_password_says_so_and_is_not_repeated_to_the_operator() {
    let outcome = hopeless(&server().dsn_as(SUPERUSER, "canary-wrong", "postgres"), &["with this password", "hint"]);
    assert!(!outcome.text().contains("canary-wrong"));
}

#[test]
fn a_missing_password_is_not_a_wrong_one() {
    hopeless(&server().dsn_without_password("postgres"), &["without a password", "PGPASSWORD", "pgpass"]);
}

#[test]
fn a_role_that_does_not_exist_is_refused_as_the_server_does() {
    hopeless(&server().dsn_as("nobody_of_that_name", PASSWORD, "postgres"), &["with this password"]);
}

#[test]
fn a_missing_database_is_named() {
    hopeless(&server().dsn("no_such_database"), &["find the database", "no_such_database", "psql -l"]);
}

#[test]
fn an_unknown_host_is_told_from_a_server_that_is_down() {
    hopeless(
        "postgresql://postgres:x@no-such-host.invalid/shop",
        &["find the address of the host no-such-host.invalid", "spelling"],
    );
}

#[test]
fn a_database_that_one_may_not_connect_to_is_refused() {
    let database = server().database("closed");
    database.psql(&format!("REVOKE CONNECT ON DATABASE \"{}\" FROM PUBLIC", database.name));
    hopeless(&server().dsn_as(PLAIN_ROLE, PASSWORD, &database.name), &["permission denied for database"]);
}

#[test]
fn something_else_on_the_port_is_no_postgres() {
    let (port, _) = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let store = Store::new();
    let dsn = format!("postgresql://postgres:x@127.0.0.1:{port}/shop?sslmode=disable");
    assert_refused(store.backup(&dsn).run(), 20, &["127.0.0.1"]);
}

/// One test for all that waits: the waits run side by side.
#[test]
fn what_may_pass_is_tried_again_a_bounded_number_of_times_and_says_so() {
    let store = Store::new();
    // Nobody listens there, now or later.
    let refused = "postgresql://postgres:x@127.0.0.1:1/shop";
    let no_socket = "postgresql://postgres@/shop?host=/nowhere/at/all";
    let (starting, tries) = answering(&startup_error("57P03", "the database system is starting up"));
    let starting = format!("postgresql://postgres:x@127.0.0.1:{starting}/shop?sslmode=disable");

    let runs = [refused, no_socket, &starting].map(|dsn| store.backup(dsn).spawn());
    let json = store.backup(refused).arg("--json").spawn();

    let [refused, no_socket, starting] = runs.map(lifeboat_tests::Running::wait);
    for outcome in [&refused, &no_socket, &starting] {
        assert_eq!(outcome.stderr.matches("will be repeated").count(), 3, "{}", outcome.stderr);
    }
    assert_refused(refused, 20, &["which refuses connections", "listen_addresses"]);
    assert_refused(no_socket, 20, &["socket", "/nowhere/at/all"]);
    assert_refused(starting, 20, &["ready", "starting up", "run again later"]);
    assert_eq!(tries.load(Ordering::Relaxed), 4);
    let json = json.wait().expect(20);
    assert_eq!(json.records().iter().filter(|record| record["schema"] == "lifeboat/warning/v1").count(), 3);
    assert_eq!(json.last_record()["exit_kind"], "database");
    assert_eq!(store.objects_of_backups(), [""; 0]);
}

/// A listener that reads what comes first, answers so, and closes; with the number of its visitors.
fn answering(answer: &[u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let visitors = Arc::new(AtomicUsize::new(0));
    let (answer, counted) = (answer.to_vec(), Arc::clone(&visitors));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            // Who leaves early is told nothing.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        }
    });
    (port, visitors)
}

fn startup_error(sqlstate: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E", length.to_be_bytes().as_slice(), fields.as_bytes()].concat()
}
