//! A pg_dump that is killed, fails late, or stops early and calls it success: told, and no backup.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::{BackupOptions, MethodChoice, Source};
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Error, Kind};
use lifeboat_tests::lifeboat::descendants;
use lifeboat_tests::{Database, Fault, Identity, Proxy, Seaweed, When, run};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::world::{
    Objects, add_blobs, backup_command, hasty_store, in_memory, job, list, options, proven_backups, several_tables,
    source_with_tools, verify,
};

/// Client tools that are the real ones, but for what `pg_dump` does when it dumps rows: `$real "$@"` runs the real one.
fn tools(database: &Database<'_>, dump: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let real = database.server.bin("pg_dump");
    let real = real.display();
    let pg_dump = format!(
        "#!/bin/sh\nreal={real}\ncase \"$*\" in\n*--version* | *--format=custom*) exec \"$real\" \"$@\" ;;\nesac\n{dump}\n"
    );
    write_program(&folder.path().join("pg_dump"), &pg_dump);
    let pg_dumpall = database.server.bin("pg_dumpall");
    write_program(&folder.path().join("pg_dumpall"), &format!("#!/bin/sh\nexec {} \"$@\"\n", pg_dumpall.display()));
    folder
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The database, dumped by one of these tools alone.
fn streamed(database: &Database<'_>, tools: &TempDir) -> Source {
    Source { method: Some(MethodChoice::Stream), ..source_with_tools(database, Some(tools.path())) }
}

/// How a backup with this `pg_dump` fails; it must, and leave nothing available.
fn failure_with(dump: &str) -> Error {
    let database = several_tables("tools");
    let (tools, state) = (tools(&database, dump), TempDir::new().unwrap());
    failure_of(&streamed(&database, &tools), &state)
}

fn failure_of(source: &Source, state: &TempDir) -> Error {
    run(async {
        let store = in_memory(&Objects::new()).await;
        let done = lifeboat_backup::backup(source, &store, &options(state.path()), Arc::new(Silent)).await;
        assert!(proven_backups(&store).await.is_empty());
        done.expect_err("a backup of a cut dump")
    })
}

#[test]
fn definitions_that_pg_restore_does_not_finish_are_no_backup() {
    let database = several_tables("tools");
    let (tools, state) = (tools(&database, "exec \"$real\" \"$@\""), TempDir::new().unwrap());
    let source = Source { method: Some(MethodChoice::Parallel), ..source_with_tools(&database, Some(tools.path())) };
    assert_eq!(failure_of(&source, &state).kind(), Kind::Tool, "it is not there");
    let real = database.server.bin("pg_restore");
    for end in ["| head -c 300", "; exit 3"] {
        write_program(&tools.path().join("pg_restore"), &format!("#!/bin/sh\n{} \"$@\" {end}\n", real.display()));
        let error = failure_of(&source, &state);
        assert!([Kind::Integrity, Kind::Failure].contains(&error.kind()), "{end}: {error:?}");
    }
}

/// Before the real pg_dump runs, a change of a table that the leader holds queues up.
fn behind_a_change(database: &Database<'_>, told: &Path) -> String {
    let psql = format!("{} -XAtq", database.server.bin("psql").display());
    let queued = "SELECT count(*) FROM pg_locks WHERE relation = 'twin_a'::regclass AND NOT granted";
    format!(
        "echo \"$@\" >{}\n{psql} -c 'ALTER TABLE twin_a ADD late int' >/dev/null 2>&1 &\n\
         until [ \"$({psql} -c \"{queued}\")\" = 1 ]; do sleep 0.05; done\nexec \"$real\" \"$@\"",
        told.display()
    )
}

#[test]
fn pg_dump_waits_for_a_table_as_long_as_was_asked_for() {
    let (database, state) = (several_tables("tools"), TempDir::new().unwrap());
    let told = state.path().join("arguments");
    let (tools, store) = (tools(&database, &behind_a_change(&database, &told)), run(in_memory(&Objects::new())));
    let options = BackupOptions { lock_timeout: Duration::from_millis(300), ..options(state.path()) };
    let done = run(lifeboat_backup::backup(&streamed(&database, &tools), &store, &options, Arc::new(Silent)));
    let error = done.expect_err("a table that pg_dump did not get");
    assert_eq!(error.kind(), Kind::TryAgain, "{error:?}");
    let arguments = fs::read_to_string(told).unwrap();
    assert!(arguments.contains("--lock-wait-timeout=900ms"), "three times over: {arguments}");
}

#[test]
fn large_objects_wait_for_no_table() {
    let (database, state) = (several_tables("tools"), TempDir::new().unwrap());
    database.psql("SELECT lo_from_bytea(0, 'what only pg_dump reads')");
    let told = state.path().join("arguments");
    let (tools, store) = (tools(&database, &behind_a_change(&database, &told)), run(in_memory(&Objects::new())));
    let pg_restore = database.server.bin("pg_restore");
    write_program(&tools.path().join("pg_restore"), &format!("#!/bin/sh\nexec {} \"$@\"\n", pg_restore.display()));
    let source = Source { method: Some(MethodChoice::Parallel), ..source_with_tools(&database, Some(tools.path())) };
    let options = BackupOptions { lock_timeout: Duration::from_millis(300), ..options(state.path()) };
    run(lifeboat_backup::backup(&source, &store, &options, Arc::new(Silent))).unwrap();
    assert!(fs::read_to_string(told).unwrap().contains("--section=data"), "no large objects were dumped");
    run(verify(&store, "shop/latest")).unwrap();
}

#[test]
fn the_stand_in_itself_is_no_reason_to_fail() {
    let database = several_tables("tools");
    let (tools, state) = (tools(&database, "exec \"$real\" \"$@\""), TempDir::new().unwrap());
    run(async {
        let store = in_memory(&Objects::new()).await;
        let source = streamed(&database, &tools);
        lifeboat_backup::backup(&source, &store, &options(state.path()), Arc::new(Silent)).await.unwrap();
        assert_eq!(list(&store).await.len(), 1);
        verify(&store, "shop/latest").await.unwrap();
    });
}

#[test]
fn what_the_tools_warn_of_is_kept_in_the_index_but_not_all_of_a_flood() {
    let database = several_tables("warned");
    let circular = "echo 'pg_dump: warning: circular foreign keys on this table:' >&2; \
        echo 'pg_dump: detail: twin_a' >&2; echo 'pg_dump: reading policies' >&2";
    let flood = "for i in $(seq 150); do echo \"pg_dump: warning: number $i\" >&2; done";
    let (tools, state) =
        (tools(&database, &format!("{circular}\n{flood}\nexec \"$real\" \"$@\"")), TempDir::new().unwrap());
    run(async {
        let store = in_memory(&Objects::new()).await;
        let source = streamed(&database, &tools);
        let done = lifeboat_backup::backup(&source, &store, &options(state.path()), Arc::new(Silent)).await.unwrap();
        let shown = lifeboat_backup::show(
            &store,
            &lifeboat_core::keys::OpenKeys::default(),
            &"shop/latest".parse().unwrap(),
            job().cancel,
            Arc::new(Silent),
        )
        .await;
        let warnings = shown.unwrap().index.warnings;
        assert_eq!(warnings, done.warnings);
        let first = "pg_dump: warning: circular foreign keys on this table:";
        assert_eq!(warnings[..3], [first, "pg_dump: detail: twin_a", "pg_dump: warning: number 1"]);
        assert_eq!(warnings[99..], ["pg_dump: warning: number 98", "and 52 more warnings"]);
    });
}

#[test]
fn a_dump_that_fails_after_all_its_output_is_no_backup() {
    let error = failure_with("\"$real\" \"$@\"; echo 'pg_dump: error: something at the very end' >&2; exit 1");
    assert!(error.chain().contains("something at the very end"), "{error:?}");
    assert!(error.chain().contains("pg_dump"), "{error:?}");
}

#[test]
fn a_dump_that_says_nothing_and_fails_is_no_backup() {
    let error = failure_with("exit 1");
    assert!(error.chain().contains("pg_dump"), "{error:?}");
}

#[test]
fn a_dump_that_ends_well_after_a_prefix_is_no_backup() {
    // Within the head, within rows, after the rows of some tables, and just before the last line.
    for bytes in [0, 1, 40, 2000, 100_000, 6_000_000] {
        let error = failure_with(&format!("\"$real\" \"$@\" | head -c {bytes}; exit 0"));
        assert_eq!(error.kind(), Kind::Integrity, "cut after {bytes} bytes: {error:?}");
    }
    let error = failure_with("\"$real\" \"$@\" | sed '/^-- PostgreSQL database dump complete/,$d'; exit 0");
    assert_eq!(error.kind(), Kind::Integrity, "without its last words: {error:?}");
}

#[test]
fn a_dump_without_one_table_is_no_backup() {
    let error = failure_with("exec \"$real\" --exclude-table=twin_a \"$@\"");
    assert_eq!(error.kind(), Kind::Integrity, "{error:?}");
    assert!(error.chain().contains("twin_a"), "{error:?}");
}

#[test]
fn a_dump_that_is_killed_is_no_backup() {
    let database = several_tables("pg_dump_killed");
    add_blobs(&database, 36);
    let bucket = Seaweed::shared().bucket("pg-dump-killed");
    let proxy = Proxy::before(Seaweed::shared());
    // With its parts held back, the dump is sure to be running still.
    proxy.on(When::operation("UploadPart"), Fault::Delay(Duration::from_secs(2)));
    let streamed = backup_command(&database, &bucket, "x").args(["--method", "stream"]);
    let running = streamed.envs(proxy.environment(Identity::Admin)).spawn();
    while !proxy.operations().contains(&"UploadPart") {
        assert!(running.is_running(), "the backup ended before it uploaded anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    let dumps = descendants(running.id());
    let [pg_dump] = dumps[..] else { panic!("one pg_dump runs, not {dumps:?}") };
    kill_process(Pid::from_raw(pg_dump.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    let outcome = running.wait().expect(1);
    assert!(outcome.stderr.contains("pg_dump") && outcome.stderr.contains("signal: 9"), "{}", outcome.stderr);
    assert_eq!(bucket.open_uploads(), []);
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);
    assert!(run(proven_backups(&store)).is_empty());
}
