//! What every theme stands on: databases that keep two connections busy, and runs that are stopped while they dump rows.

use lifeboat_core::index::{Index, Relation};
use lifeboat_tests::session::wait_closely;
use lifeboat_tests::{Backup, Database, Depot, Lifeboat, Outcome, Running, Way};
use rustix::process::Signal;

/// Backups by the method `parallel`, unsealed.
pub(crate) const PARALLEL: Way = Way { method: "parallel", sealed: false, compression: "gzip" };

/// Whether both connections of a run read rows.
pub(crate) const BOTH_READ: &str = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name = 'lifeboat/rows' AND state = 'active' AND query LIKE 'COPY%'";

/// Whether one connection reads rows, and the other waits for what may come back.
pub(crate) const ONE_READS: &str = "SELECT count(*) FILTER (WHERE state = 'active' AND query LIKE 'COPY%') = 1
         AND count(*) FILTER (WHERE state = 'idle in transaction' AND query = 'SELECT 1') = 1
     FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/rows'";

/// A store for backups by the method `parallel`.
pub(crate) fn depot() -> Depot {
    Depot::s3().by(PARALLEL)
}

/// `lifeboat backup` over two connections, whatever the cores.
pub(crate) fn over_two(depot: &Depot, database: &Database<'_>) -> Lifeboat {
    depot.backup_command(database).args(["--jobs", "2"])
}

/// Starts a run and stops it as soon as the answer of `query` is true; [`go_on`] lets it go on.
pub(crate) fn stopped_when(query: &str, database: &Database<'_>, command: Lifeboat) -> Running {
    let running = command.spawn();
    wait_closely(database, query);
    running.signal(Signal::STOP);
    running
}

/// Lets a stopped run go on to its end.
pub(crate) fn go_on(running: Running) -> Outcome {
    running.signal(Signal::CONT);
    running.wait()
}

/// Tables that keep two connections busy for seconds, incompressible, and small ones.
pub(crate) fn add_busy_tables(database: &Database<'_>) {
    database.psql(
        "CREATE TABLE blobs (id int, blob bytea);
         ALTER TABLE blobs ALTER blob SET STORAGE EXTERNAL;
         INSERT INTO blobs SELECT g, b FROM generate_series(1, 400) g,
             (SELECT string_agg(sha512(i::text::bytea), '') AS b FROM generate_series(1, 2048) i) s;
         CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 40) AS text FROM generate_series(1, 5000) g;
         CREATE TABLE empty (x int);
         DO $$ BEGIN FOR n IN 1..20 LOOP
             EXECUTE format('CREATE TABLE small_%s AS SELECT g AS id FROM generate_series(1, %s) g', n, n * 10);
         END LOOP; END $$",
    );
}

/// What the backup holds: tables, and the fingerprints of their rows.
pub(crate) fn held(depot: &Depot, outcome: &Outcome) -> Vec<Relation> {
    let Index { relations, .. } = depot.index(&Backup::of(outcome));
    relations
}

/// Fails the test when the run's backup does not verify, or is not alone.
#[track_caller]
pub(crate) fn assert_whole_and_alone(depot: &Depot, outcome: &Outcome) {
    depot.lifeboat("verify").arg(format!("shop/{}", Backup::of(outcome).id)).run().expect(0);
    assert_alone(depot, outcome);
}

/// Fails the test when the store holds more or less of the run's backup than what its manifest names.
#[track_caller]
pub(crate) fn assert_alone(depot: &Depot, outcome: &Outcome) {
    let backup = Backup::of(outcome);
    let manifest = depot.manifest(&backup);
    let mut named: Vec<_> = manifest.objects().map(|object| backup.object(&object.name)).collect();
    named.push(backup.object("manifest.json"));
    named.sort();
    let folder = backup.object("");
    let stored: Vec<_> = depot.bucket().objects().into_keys().filter(|key| key.starts_with(&folder)).collect();
    assert_eq!(stored, named);
    assert_eq!(depot.bucket().open_uploads(), []);
}

/// Fails the test when there is a backup, or an upload that stays open.
#[track_caller]
pub(crate) fn assert_no_backup(depot: &Depot) {
    let objects = depot.bucket().objects();
    assert!(!objects.keys().any(|key| key.ends_with("manifest.json")), "{objects:?}");
    assert_eq!(depot.bucket().open_uploads(), []);
}
