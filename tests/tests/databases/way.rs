//! The way to the database: IPv6, keepalives, connections that fall silent.

use std::fs;
use std::time::{Duration, Instant};

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::relay::Relay;
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::wait_closely;
use lifeboat_tests::{Database, Depot, Lifeboat, Major, Outcome, PATIENCE, Postgres, Way, fixtures, unused_name};
use rustix::process::Signal;

fn depot(method: &'static str) -> Depot {
    Depot::file().by(Way { method, sealed: false, compression: "gzip" })
}

/// A server that cannot be reached by IPv4.
fn of_six(major: Major) -> Postgres {
    Postgres::start(major, &Options { settings: vec![("listen_addresses", "::1".into())], ..Options::default() })
}

fn by_six(server: &Postgres, database: &str) -> String {
    server.dsn(database).replace("127.0.0.1", "[::1]")
}

#[test]
fn a_server_at_an_address_of_ipv6_is_backed_up_restored_and_drilled_on() {
    let (server, drills) = (of_six(Major::V15), of_six(Major::V18));
    let original = server.database("six");
    original.load(&fixtures::sql(fixtures::SMALL));
    for method in ["parallel", "stream"] {
        let depot = depot(method);
        depot.backup_command(&original).env("DATABASE_URL", by_six(&server, &original.name)).run().expect(0);
        let restored = server.adopt(&unused_name("six_back"));
        let restore = depot.restore_command(&server, &restored.name).arg("--create");
        restore.env("TARGET_URL", by_six(&server, &restored.name)).run().expect(0);
        assert_same(&original, &restored);
        let drill = depot.lifeboat("drill").args(["run", "shop/latest", "--server", "env:DRILLS"]);
        drill.env("DRILLS", by_six(&drills, "postgres")).run().expect(0);
    }
}

/// A table that takes a while.
fn large(prefix: &str) -> Database<'static> {
    let database = Postgres::shared(Major::V15).database(prefix);
    database.psql(
        "CREATE TABLE blobs (id int, blob bytea);
         ALTER TABLE blobs ALTER blob SET STORAGE EXTERNAL;
         INSERT INTO blobs SELECT g, b FROM generate_series(1, 400) g,
             (SELECT string_agg(sha512(i::text::bytea), '') AS b FROM generate_series(1, 2048) i) s",
    );
    database
}

/// Whether its rows are read.
const READ: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name IN ('lifeboat/rows', 'lifeboat/dump') AND query LIKE 'COPY%'";

fn through(relay: &Relay, server: &Postgres, database: &str, parameters: &str) -> String {
    let address = format!("127.0.0.1:{}", server.port());
    server.dsn(database).replace(&address, &format!("127.0.0.1:{}", relay.port())) + parameters
}

/// The timer of the socket with these ports of 127.0.0.1, as the kernel shows it: which, and hundredths of seconds.
fn timer(from: u16, to: u16) -> (String, u64) {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = format!("0100007F:{from:04X} 0100007F:{to:04X} ");
    let line = sockets.lines().find(|line| line.contains(&ends)).expect("a socket with these ports");
    let (which, left) = line.split_whitespace().nth(5).unwrap().split_once(':').unwrap();
    (which.to_owned(), u64::from_str_radix(left, 16).unwrap())
}

/// The same once nothing is on its way that the other end has yet to acknowledge.
fn settled(from: u16, to: u16) -> (String, u64) {
    let began = Instant::now();
    loop {
        let (which, left) = timer(from, to);
        if which != RETRANSMISSION || began.elapsed() > PATIENCE {
            return (which, left);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn keepalives_go_over_every_connection_as_the_address_says() {
    let database = large("keepalives");
    let server = database.server;
    // Of a timer that runs down, a test that is late sees little: ranges that a late one does not leave. The kernel's own is 7200 s.
    for (method, parameters, hundredths) in [
        ("parallel", "?keepalives_idle=600", Some(3_001..=60_000)),
        ("stream", "?keepalives_idle=600", Some(3_001..=60_000)),
        ("stream", "?keepalives=0", None),
        ("stream", "", Some(0..=3_000)),
    ] {
        let depot = depot(method);
        let backup = depot.backup_command(&database).env("DATABASE_URL", database.dsn() + parameters).spawn();
        wait_closely(&database, READ);
        backup.signal(Signal::STOP);
        let sessions = "SELECT application_name || ' ' || client_port FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'lifeboat/%'";
        let sessions = database.psql(sessions);
        assert!(sessions.lines().count() >= 2, "{sessions}");
        for session in sessions.lines() {
            let (name, port) = session.split_once(' ').unwrap();
            let (which, left) = settled(port.parse().unwrap(), server.port());
            let case = format!("{method} {parameters} {name}: timer {which}, {left}");
            match &hundredths {
                Some(range) => assert!(which == KEEPALIVE && range.contains(&left), "{case}"),
                None => assert_eq!(which, "00", "{case}"),
            }
        }
        backup.signal(Signal::CONT);
        backup.wait().expect(0);
    }
}

/// The kernel's numbers of these timers.
const KEEPALIVE: &str = "02";
const RETRANSMISSION: &str = "01";

/// Runs `command`; when the answer of `query` is true, the network forgets its connections.
fn cut_off(relay: &Relay, database: &Database<'_>, query: &str, command: Lifeboat) -> Outcome {
    let running = command.spawn();
    wait_closely(database, query);
    relay.fall_silent();
    running.wait()
}

#[test]
fn a_backup_whose_database_falls_silent_ends_and_says_so() {
    let database = large("silent");
    for method in ["parallel", "stream"] {
        let (depot, relay) = (depot(method), Relay::to(database.server.port()));
        let url = through(&relay, database.server, &database.name, "");
        let command = depot.backup_command(&database).env("DATABASE_URL", url).args(["--stall-timeout", "2s"]);
        let outcome = cut_off(&relay, &database, READ, command).expect(75);
        assert!(outcome.text().contains("nothing moved for 2 seconds"), "{}", outcome.text());
        assert!(outcome.text().contains("at the network to it"), "{}", outcome.text());
        relay.cut();
        database.wait_until_let_go();
        depot.backup_command(&database).run().expect(0);
    }
}

#[test]
fn a_restore_whose_database_falls_silent_ends_and_says_so() {
    let database = large("silent");
    let depot = depot("parallel");
    depot.backup(&database);
    let relay = Relay::to(database.server.port());
    let restored = database.server.adopt(&unused_name("silent_back"));
    let url = through(&relay, database.server, &restored.name, "?tcp_user_timeout=2000");
    let command = depot.restore_command(database.server, &restored.name).arg("--create").env("TARGET_URL", url);
    let written = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE starts_with(datname, '{}') AND query LIKE 'COPY%FROM STDIN%'",
        restored.name
    );
    let outcome = cut_off(&relay, &database, &written, command).expect(20);
    for word in ["send rows", "the connection was lost; look at the server's log and at the network"] {
        assert!(outcome.text().contains(word), "{word} in {}", outcome.text());
    }
    assert_eq!(database.server.databases_like(&restored.name), "", "nothing unfinished is left");
    relay.cut();
}
