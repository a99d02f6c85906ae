//! A database that cannot be read whole: rights, row-level security, locks.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

use lifeboat_tests::servers::postgres::{PASSWORD, PLAIN_ROLE};
use lifeboat_tests::{Database, Lifeboat, Major};

use crate::shop::{Shop, assert_refused};

/// A session of somebody else, in the middle of a transaction.
struct Somebody {
    psql: Child,
    _stdin: ChildStdin,
}

impl Somebody {
    fn holding(database: &Database<'_>, statement: &str) -> Somebody {
        let mut command = database.server.client("psql", &database.name);
        command.args(["-X", "-q", "-A", "-t"]).env("PGAPPNAME", "the migration");
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = psql.stdin.take().unwrap();
        writeln!(stdin, "BEGIN; {statement}; SELECT 'held';").unwrap();
        let mut line = String::new();
        BufReader::new(psql.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "held");
        Somebody { psql, _stdin: stdin }
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn as_plain(shop: &Shop) -> Lifeboat {
    shop.store.backup(&shop.database.server.dsn_as(PLAIN_ROLE, PASSWORD, &shop.database.name))
}

#[test]
fn a_role_that_cannot_read_a_table_is_told_which_and_what_to_grant() {
    let shop = Shop::new(Major::V15);
    shop.database.psql(&format!(
        "GRANT USAGE ON SCHEMA public TO {PLAIN_ROLE}; GRANT SELECT ON customers, products, orders TO {PLAIN_ROLE}"
    ));
    assert_refused(as_plain(&shop).run(), 20, &["items", "permission denied", "grant"]);
    assert_eq!(shop.store.objects_of_backups(), [""; 0]);
}

#[test]
fn row_level_security_is_refused_rather_than_dumped_in_part() {
    let shop = Shop::new(Major::V15);
    shop.database.psql(&format!(
        "GRANT USAGE ON SCHEMA public TO {PLAIN_ROLE}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {PLAIN_ROLE};
         GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {PLAIN_ROLE};
         ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON orders USING (note IS NULL)"
    ));
    assert_refused(as_plain(&shop).run(), 20, &["row-level security", "orders", "BYPASSRLS"]);
    assert_refused(as_plain(&shop).arg("--dry-run").run(), 20, &["row-level security", "orders"]);
    let left = shop.store.list("");
    assert!(left.iter().all(|backup| backup["state"] != "available"), "{left:?}");
}

#[test]
fn who_holds_a_table_is_named() {
    let shop = Shop::new(Major::V15);
    let somebody = Somebody::holding(&shop.database, "ALTER TABLE orders ADD COLUMN held_up text");
    let outcome = shop.backup().args(["--lock-timeout", "1s"]).run();
    let pid = shop.database.psql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'the migration' AND datname = current_database()",
    );
    let outcome = assert_refused(outcome, 75, &["orders", "the migration", "--lock-timeout"]);
    assert!(outcome.stderr.contains(&format!("pid {pid}")), "{}", outcome.stderr);
    assert_eq!(shop.store.objects_of_backups(), [""; 0]);
    drop(somebody);
    shop.backup().run().expect(0);
}

#[test]
fn who_waits_for_a_table_is_named_as_well() {
    let shop = Shop::new(Major::V15);
    // A reader that is idle in its transaction, and a migration that waits for it: we would wait behind both.
    let _reader = Somebody::holding(&shop.database, "SELECT 1 FROM orders LIMIT 0");
    let mut waiting = shop.database.server.client("psql", &shop.database.name);
    waiting
        .args(["-X", "-q", "-c", "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"])
        .env("PGAPPNAME", "waiting migration");
    let mut waiting = waiting.stderr(Stdio::null()).spawn().unwrap();
    let queued = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
    while shop.database.psql(queued) == "0" {
        assert!(waiting.try_wait().unwrap().is_none(), "it waits");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let outcome = shop.backup().args(["--lock-timeout", "1s"]).run();
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert_refused(outcome, 75, &["orders", "waiting migration"]);
}

#[test]
fn a_role_that_may_connect_to_its_own_database_only_can_back_it_up() {
    let server = lifeboat_tests::Postgres::start(Major::V15, &lifeboat_tests::servers::postgres::Options::default());
    let database = server.database("own");
    database.psql("CREATE TABLE t AS SELECT 1 AS x");
    database.psql(&format!(
        "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC; GRANT pg_read_all_data TO {PLAIN_ROLE}"
    ));
    let store = crate::shop::Store::new();
    store.backup(&server.dsn_as(PLAIN_ROLE, PASSWORD, &database.name)).run().expect(0);
}
