//! What a last look must not miss: rows of transactions that have not ended, and of tables that are written anew.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_core::{Job, Kind};
use lifeboat_rotate::sweep::{self, Limits, Phase, SweepOptions};
use lifeboat_tests::session::{Held, PATIENCE, wait_for};
use lifeboat_tests::{Major, run};
use tokio_util::sync::CancellationToken;

use crate::world::{NEW, OLD, World, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

/// With little patience.
fn brisk() -> SweepOptions {
    SweepOptions { limits: Limits { lock_timeout: Duration::from_millis(200), ..Limits::default() }, ..small() }
}

/// Writes a row under a key and prepares the transaction that did.
fn prepare(world: &World, id: u32, secret: &str) {
    let value = world.encrypted(secret, "prepared");
    let name = &world.database.name;
    world.database.psql(&format!("BEGIN; INSERT INTO secrets VALUES ({id}, '{value}'); PREPARE TRANSACTION '{name}'"));
}

fn commit_prepared(world: &World) {
    world.database.psql(&format!("COMMIT PREPARED '{}'", world.database.name));
}

#[test]
fn nothing_is_finalized_while_a_prepared_transaction_may_bring_a_value_under_the_old_key() {
    let (world, mut plain) = World::with_rows(Major::V18, TABLE, 60);
    prepare(&world, 1000, OLD);
    world.run_to_the_end(&small());
    let error = world.finalize(&brisk()).unwrap_err();
    assert_eq!(error.kind(), Kind::TryAgain, "{}", error.chain());
    assert!(error.help().unwrap().contains("pg_prepared_xacts"), "{}", error.chain());
    assert_eq!(world.status().targets[0].phase, Phase::Swept);

    commit_prepared(&world);
    assert_eq!(world.finalize(&brisk()).unwrap_err().kind(), Kind::Policy, "now it is seen");
    world.run_to_the_end(&small());
    world.finalize(&brisk()).unwrap();
    plain.insert("1000".to_owned(), "prepared".to_owned());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn no_rotation_is_over_by_a_rollback_while_a_transaction_may_bring_a_value_under_the_new_key() {
    let (world, mut plain) = World::with_rows(Major::V15, TABLE, 60);
    world.run_to_the_end(&small());
    let value = world.encrypted(NEW, "late");
    let held = Held::new(&world.database, &format!("BEGIN; INSERT INTO secrets VALUES (1000, '{value}')"));
    let error = world.rollback(&brisk()).unwrap_err();
    assert_eq!(error.kind(), Kind::TryAgain, "{}", error.chain());
    assert!(error.help().unwrap().contains("pg_stat_activity"), "{}", error.chain());
    assert_ne!(world.status().targets[0].phase, Phase::RolledBack);

    held.commit();
    assert!(world.rollback(&brisk()).unwrap().is_clean());
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
    plain.insert("1000".to_owned(), "late".to_owned());
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn a_transaction_that_is_prepared_while_it_is_waited_for_is_not_over() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 60);
    world.run_to_the_end(&small());
    let (value, name) = (world.encrypted(OLD, "prepared late"), world.database.name.clone());
    let mut held = Held::new(&world.database, &format!("BEGIN; INSERT INTO secrets VALUES (1000, '{value}')"));
    let error = std::thread::scope(|scope| {
        let finalize = scope.spawn(|| world.finalize(&patient()).unwrap_err());
        wait_for(&world.database, LOOKED);
        held.say(&format!("PREPARE TRANSACTION '{name}'"));
        let later = "SELECT coalesce(max(prepared), 'infinity') + interval '0.5 s' FROM pg_prepared_xacts WHERE database = current_database()";
        wait_for(&world.database, &format!("{LOOKED} AND query_start > ({later})"));
        commit_prepared(&world);
        finalize.join().unwrap()
    });
    assert_eq!(error.kind(), Kind::Policy, "what it brought is seen: {}", error.chain());
    assert_eq!(world.status().targets[0].phase, Phase::Swept);
    held.release();
}

#[test]
fn a_connection_that_is_lost_while_others_are_waited_for_is_made_anew() {
    let (world, mut plain) = World::with_rows(Major::V15, TABLE, 60);
    world.run_to_the_end(&small());
    let value = world.encrypted(NEW, "late");
    let held = Held::new(&world.database, &format!("BEGIN; INSERT INTO secrets VALUES (1000, '{value}')"));
    let summary = std::thread::scope(|scope| {
        let rollback = scope.spawn(|| world.rollback(&patient()).unwrap());
        wait_for(&world.database, LOOKED);
        world.database.psql(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'lifeboat/rotate'",
        );
        wait_for(&world.database, LOOKED);
        held.commit();
        rollback.join().unwrap()
    });
    assert!(summary.is_clean());
    plain.insert("1000".to_owned(), "late".to_owned());
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn a_value_that_is_merely_not_rotated_yet_is_told_from_one_that_nothing_opens() {
    let (world, _) = World::with_rows(Major::V15, TABLE, 60);
    world.run_to_the_end(&small());
    for id in 1000..1003 {
        let late = world.encrypted(OLD, "late");
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{late}')"));
    }
    let lost = world.encrypted("neither of the two keys", "lost");
    world.database.psql(&format!("INSERT INTO secrets VALUES (1003, '{lost}')"));
    // Those that are merely late are read before it, and leave no room.
    let few = |rows| SweepOptions { failures_named: 3, jobs: Some(1), batch_rows: Some(rows), ..small() };
    for options in [few(100), few(1)] {
        let failures = world.verify(&options).targets.remove(0).failures;
        let told: Vec<_> = failures.named.iter().map(|row| (row.key_text(), row.why.to_string())).collect();
        let late = |id: &str| (id.to_owned(), "under the old key: `run` rotates it".to_owned());
        let lost = ("1003".to_owned(), "failed authentication".to_owned());
        assert_eq!(told, [lost, late("1000"), late("1001")], "what is lost comes first");
        assert_eq!((failures.unopened(), failures.under_old_key), (1, 3));
    }
    let error = world.finalize(&small()).unwrap_err();
    let told = "no key opens 1: name those that are lost in an accept list; run again for 3 still under the old key: public.secrets 1003";
    assert!(error.help().unwrap().contains(told), "{:?}", error.help());
}

/// Waits for others as long as they take.
fn patient() -> SweepOptions {
    SweepOptions { limits: Limits { lock_timeout: Duration::ZERO, ..Limits::default() }, ..small() }
}

/// Whether the sweep waits for transactions to end.
const LOOKED: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                      AND application_name = 'lifeboat/rotate' AND query LIKE '%virtualtransaction%'";

async fn session(dsn: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(dsn, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Does something on a runtime of its own.
fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Tries to write a table anew as soon as its proof has begun.
struct Rewriter {
    dsn: String,
    tried: AtomicU32,
    done: AtomicU32,
}

impl Rewriter {
    fn rewrite(dsn: &str) -> bool {
        let sql = "SET lock_timeout = '200ms'; ALTER TABLE secrets SET UNLOGGED";
        alone(async { session(dsn).await.batch_execute(sql).await.is_ok() })
    }
}

impl Monitor for Rewriter {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Step(text) if text.starts_with("verify")) {
            self.tried.fetch_add(1, Ordering::Relaxed);
            let dsn = self.dsn.clone();
            let done = std::thread::spawn(move || Self::rewrite(&dsn)).join().unwrap();
            self.done.fetch_add(u32::from(done), Ordering::Relaxed);
        }
    }
}

#[test]
fn a_table_is_not_written_anew_between_the_snapshot_of_a_proof_and_its_first_row() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 60);
    world.database.psql("INSERT INTO secrets VALUES (1000, 'a password somebody typed')");
    let rewriter = Arc::new(Rewriter { dsn: world.database.dsn(), tried: AtomicU32::new(0), done: AtomicU32::new(0) });
    let job = Job::new(rewriter.clone(), CancellationToken::new());
    let proof = run(sweep::verify(&world.settings(), world.targets(), &small(), &job)).unwrap();
    assert_eq!(rewriter.tried.load(Ordering::Relaxed), 1);
    assert_eq!(rewriter.done.load(Ordering::Relaxed), 0, "an older snapshot sees nothing of a table that is new");
    assert_eq!(proof.targets[0].failures.total, 61, "{proof:?}");
    assert!(Rewriter::rewrite(&world.database.dsn()), "nothing is kept locked");
}

/// Lets a statement that writes the table anew wait for a proof that has begun, as nobody does who sets a `lock_timeout`.
struct Impatient {
    dsn: String,
    rewriting: Mutex<Option<JoinHandle<bool>>>,
}

impl Impatient {
    const WAITS: &str = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'secrets'::regclass AND NOT granted";

    async fn is_waiting(dsn: &str) {
        let (client, began) = (session(dsn).await, Instant::now());
        while !client.query_one(Self::WAITS, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(began.elapsed() < PATIENCE, "nobody waits for the table");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Monitor for Impatient {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Step(text) if text.starts_with("verify")) {
            let (dsn, seen) = (self.dsn.clone(), self.dsn.clone());
            let rewrite =
                async move { session(&dsn).await.batch_execute("ALTER TABLE secrets SET UNLOGGED").await.is_ok() };
            *self.rewriting.lock().unwrap() = Some(std::thread::spawn(|| alone(rewrite)));
            std::thread::spawn(move || alone(Self::is_waiting(&seen))).join().unwrap();
        }
    }
}

#[test]
fn a_proof_gives_way_to_a_statement_that_waits_before_its_first_row() {
    let (world, _) = World::with_rows(Major::V15, TABLE, 60);
    world.run_to_the_end(&small());
    let impatient = Arc::new(Impatient { dsn: world.database.dsn(), rewriting: Mutex::default() });
    let job = Job::new(impatient.clone(), CancellationToken::new());
    let error = run(sweep::verify(&world.settings(), world.targets(), &brisk(), &job)).unwrap_err();
    assert_eq!(error.kind(), Kind::TryAgain, "{}", error.chain());
    assert!(error.help().unwrap().contains("changes a table was in the way"), "{}", error.chain());
    let rewriting = impatient.rewriting.lock().unwrap().take().unwrap();
    assert!(rewriting.join().unwrap(), "it had its turn");
    assert!(world.verify(&small()).passed());
}
