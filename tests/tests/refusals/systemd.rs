//! What the nightly unit relies on.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use lifeboat_tests::{Lifeboat, Major};
use tempfile::TempDir;

use crate::shop::Shop;

#[test]
fn systemd_is_told_what_a_backup_is_doing() {
    let shop = Shop::new(Major::V15);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    Lifeboat::program("lifeboat-backup")
        .env("LIFEBOAT_STORE", shop.store.url())
        .env("LIFEBOAT_NAME", "shop")
        .env("LIFEBOAT_DATABASE_URL", "env:DATABASE_URL")
        .env("DATABASE_URL", shop.database.dsn())
        .env("NOTIFY_SOCKET", &path)
        .run()
        .expect(0);
    let mut messages = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(messages.len() > 2, "{messages:?}");
    assert!(messages.iter().all(|message| message.starts_with("STATUS=") && message.trim_end().lines().count() == 1));
    assert!(messages.iter().any(|message| message.contains("shop") || message.contains("dump")), "{messages:?}");
}

#[test]
fn a_notify_socket_that_is_gone_is_no_reason_to_fail() {
    let shop = Shop::new(Major::V15);
    shop.backup().env("NOTIFY_SOCKET", "/nowhere/notify").run().expect(0);
}

#[test]
fn the_timers_program_has_no_other_verbs() {
    for verb in ["list", "show", "verify", "restore", "cat", "download", "config", "demo", "exit-codes"] {
        let outcome = Lifeboat::program("lifeboat-backup").arg(verb).run();
        // A word is the name of a database there, and none of that name is configured.
        assert!([2, 78].contains(&outcome.code()), "{verb}: {}", outcome.text());
        assert_eq!(outcome.stdout, "", "{verb}");
        assert!(
            outcome.stderr.contains("what to back up") || outcome.stderr.contains("configured"),
            "{}",
            outcome.stderr
        );
    }
    for option in ["--into", "--create", "--to", "--orphans", "--roles"] {
        Lifeboat::program("lifeboat-backup").arg(option).run().expect(2);
    }
    let help = Lifeboat::program("lifeboat-backup").arg("--help").run().expect(0).stdout;
    assert!(!help.contains("Commands:"), "{help}");
}

#[test]
fn folders_that_systemd_gives_are_used() {
    let shop = Shop::new(Major::V15);
    let (state, runtime) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let home = TempDir::new().unwrap();
    let backup = shop.backup().env("STATE_DIRECTORY", state.path()).env("RUNTIME_DIRECTORY", runtime.path());
    let running = backup.env("HOME", home.path()).env("XDG_STATE_HOME", home.path().join("state")).spawn();
    let mut used = false;
    while running.is_running() {
        used |= runtime.path().read_dir().unwrap().next().is_some();
    }
    running.wait().expect(0);
    assert!(used, "credential files lie in $RUNTIME_DIRECTORY");
    assert!(runtime.path().read_dir().unwrap().next().is_none(), "and are gone afterwards");
    assert!(home.path().read_dir().unwrap().next().is_none(), "nothing is written elsewhere");
}
