//! SIGTERM and SIGINT at random moments: told, cleaned up, and nothing left.

use std::iter::zip;
use std::time::{Duration, Instant};

use lifeboat_tests::lifeboat::descendants;
use lifeboat_tests::sweep::{Dice, long};
use lifeboat_tests::{Bucket, Database, Fault, Identity, Proxy, Running, Seaweed, When, run, unused_name};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::world::{add_blobs, backup_command, hasty_store, lifeboat, of, proven_backups, several_tables};

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Whether the program catches SIGTERM and SIGINT: before, a signal just ends it.
fn catches_signals(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    [Signal::TERM, Signal::INT].iter().all(|signal| caught & (1 << (signal.as_raw() - 1)) != 0)
}

/// Waits until the backup has begun to upload its script.
pub(crate) fn uploading(running: &Running, proxy: &Proxy) {
    while !proxy.operations().contains(&"UploadPart") {
        assert!(running.is_running(), "the backup ended before it uploaded anything");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn big(prefix: &str) -> (Database<'static>, Bucket) {
    let database = several_tables(prefix);
    add_blobs(&database, 20);
    (database, Seaweed::shared().bucket(prefix))
}

#[test]
fn a_signal_at_any_moment_of_a_backup_leaves_nothing() {
    let (database, bucket) = big("signals");
    let state = TempDir::new().unwrap();
    let command = || backup_command(&database, &bucket, "x").state_dir(state.path());
    command().run().expect(0);
    let began = Instant::now();
    command().run().expect(0);
    let whole = began.elapsed();
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);

    let mut dice = Dice::new("a_signal_at_any_moment_of_a_backup_leaves_nothing");
    let fractions = dice.fractions(if long() { 100 } else { 30 });
    let (signals, mut finished, mut ended) = (fractions.len(), 2, 0);
    let mut span = whole;
    for (fraction, (signal, code)) in zip(fractions, [(Signal::TERM, 143), (Signal::INT, 130)].into_iter().cycle()) {
        let running = command().spawn();
        while running.is_running() && !catches_signals(running.id()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let moment = span.mul_f64(fraction);
        std::thread::sleep(moment);
        let children = descendants(running.id());
        if !running.is_running() {
            // Runs have become faster.
            span = moment;
            finished += 1;
            running.wait().expect(0);
            continue;
        }
        running.signal(signal);
        let outcome = running.wait();
        if outcome.code() == 0 {
            // The signal came after the commit.
            span = moment;
            finished += 1;
            continue;
        }
        let outcome = outcome.expect(code);
        ended += 1;
        assert!(outcome.stderr.contains("cancelled: cleaning up"), "{}", outcome.stderr);
        let left: Vec<_> = children.into_iter().filter(|pid| alive(*pid)).collect();
        assert!(left.is_empty(), "processes {left:?} are left");
    }
    eprintln!("{ended} of {signals} signals within {whole:?} cut a run short");
    assert!(ended * 2 > signals, "most signals came too late: only {ended} of {signals} cut a run short");
    assert_eq!(bucket.open_uploads(), []);
    assert_eq!(run(proven_backups(&store)).len(), finished);
}

#[test]
fn a_second_signal_ends_at_once() {
    let (database, bucket) = big("twice");
    let proxy = Proxy::before(Seaweed::shared());
    // What the first signal asks for cannot be done: the store does not answer any more.
    proxy.on(When::operation("AbortMultipartUpload"), Fault::Hang);
    let environment = proxy.environment(Identity::Admin);
    let running = backup_command(&database, &bucket, "x").envs(environment).spawn();
    uploading(&running, &proxy);
    running.signal(Signal::TERM);
    while !proxy.operations().contains(&"AbortMultipartUpload") {
        assert!(running.is_running(), "the upload was not aborted");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM);
    let said = running.wait().expect(143).stderr;
    let (_, behind) = said.split_once("a second signal ends at once\n").unwrap();
    // Nothing of how the cleaning up went.
    assert!(behind.starts_with("ended without cleaning up") && behind.lines().count() == 1, "{said}");
}

#[test]
fn a_signal_ends_a_run_whose_store_hangs() {
    let (database, bucket) = big("hung");
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("UploadPart"), Fault::Hang);
    let running = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Admin)).spawn();
    uploading(&running, &proxy);
    running.signal(Signal::INT);
    let said = running.wait().expect(130).stderr;
    assert!(said.contains("cancelled: cleaning up"), "{said}");
    assert!(proxy.operations().contains(&"AbortMultipartUpload"), "{:?}", proxy.operations());
    assert_eq!(bucket.open_uploads(), []);
}

#[test]
fn a_signal_to_a_restore_drops_what_it_created() {
    let (database, bucket) = (several_tables("dropped"), Seaweed::shared().bucket("dropped"));
    backup_command(&database, &bucket, "x").run().expect(0);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let name = unused_name("target");
        let into = database.server.socket_dsn(&name);
        let restore = lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into]);
        let running = restore.spawn();
        while database.server.databases_like(&name).is_empty() {
            assert!(running.is_running(), "the restore ended before it created anything");
        }
        running.signal(signal);
        let outcome = running.wait().expect(code);
        assert!(outcome.stderr.contains("cancelled: cleaning up"), "{}", outcome.stderr);
        assert_eq!(database.server.databases_like(&name), "");
    }
}

#[test]
fn a_signal_to_a_backup_into_a_folder_leaves_no_staging_file() {
    let database = several_tables("staging");
    add_blobs(&database, 20);
    let folder = TempDir::new().unwrap();
    let url = format!("file://{}", folder.path().display());
    let running = of(lifeboat_tests::Lifeboat::new().args(["backup", "--store", &url]), &database).spawn();
    while staging(folder.path()).is_empty() {
        assert!(running.is_running(), "the backup ended before it staged anything");
    }
    running.signal(Signal::TERM);
    running.wait().expect(143);
    assert_eq!(staging(folder.path()), Vec::<String>::new());
}

/// Files below `folder` that are not whole objects.
pub(crate) fn staging(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let found = paths.flat_map(|path| match path.is_dir() {
        true => staging(&path),
        false => vec![path.to_string_lossy().into_owned()],
    });
    found.filter(|path| path.contains('#')).collect()
}
