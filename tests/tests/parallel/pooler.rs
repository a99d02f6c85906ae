//! A connection pooler in front of the server.

use lifeboat_tests::servers::pgbouncer::PgBouncer;
use lifeboat_tests::{Major, Postgres, fixtures};

use crate::world::{assert_no_backup, depot, over_two};

#[test]
fn a_pooler_in_transaction_mode_is_refused_with_advice() {
    let (depot, database) = (depot(), fixtures::small(Major::V15));
    let pooler = PgBouncer::before(Postgres::shared(Major::V15), "transaction", "");
    let outcome = over_two(&depot, &database).env("DATABASE_URL", pooler.dsn(&database)).run().expect(20);
    assert!(outcome.text().contains("a connection pooler in transaction mode"), "{}", outcome.text());
    assert!(outcome.text().contains("connect to the server's own port"), "{}", outcome.text());
    assert_no_backup(&depot);
}

/// A dump of pg_dump's own would have the rows in the time zone of the database.
#[test]
fn a_pooler_that_drops_settings_without_a_word_is_refused_with_advice() {
    let (depot, database) = (depot(), fixtures::small(Major::V15));
    let ignored = "ignore_startup_parameters = options, extra_float_digits";
    let pooler = PgBouncer::before(Postgres::shared(Major::V15), "session", ignored);
    for method in ["parallel", "stream"] {
        let backup = depot.backup_command(&database).args(["--method", method]);
        let outcome = backup.env("DATABASE_URL", pooler.dsn(&database)).run().expect(20);
        assert!(outcome.text().contains("drops the settings that a session begins with"), "{}", outcome.text());
        assert!(outcome.text().contains("connect to the server's own port"), "{}", outcome.text());
    }
    assert_no_backup(&depot);
}

/// A leader could work through it, and pg_dump cannot be given its settings.
#[test]
fn a_pooler_in_session_mode_is_refused_with_advice() {
    let (depot, database) = (depot(), fixtures::small(Major::V15));
    let pooler = PgBouncer::before(Postgres::shared(Major::V15), "session", "");
    let outcome = over_two(&depot, &database).env("DATABASE_URL", pooler.dsn(&database)).run().expect(20);
    assert!(outcome.text().contains("unsupported startup parameter"), "{}", outcome.text());
    assert!(outcome.text().contains("connect to the server's own port"), "{}", outcome.text());
    assert_no_backup(&depot);
}
