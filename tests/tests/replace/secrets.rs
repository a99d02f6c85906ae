//! Secrets: nowhere but where they belong, and a safety backup that somebody can open.

use lifeboat_tests::canary::Canary;
use lifeboat_tests::files::files;
use lifeboat_tests::keyring::{NOVEMBER, OFFLINE, SIGNER, public, written};
use lifeboat_tests::servers::postgres::PASSWORD;
use lifeboat_tests::{Lifeboat, Major};

use crate::world::{Shop, ended};

/// What an application keeps in a setting of its database.
const TOKEN: &str = "canary-of-a-token-4c1d";

#[test]
fn no_secret_gets_out_of_a_replacement() {
    let shop = Shop::new(Major::V18);
    let (server, name) = (shop.database.server, &shop.database.name);
    let set = |value: &str| server.psql("postgres", &format!("ALTER DATABASE {name} SET app.token TO '{value}'"));
    set(TOKEN);
    let loud = |command: Lifeboat| {
        command.arg("-vvv").env("RUST_LOG", "trace").env("LIFEBOAT_LOG", "trace").env("RUST_BACKTRACE", "full")
    };
    let mut seen = Vec::new();
    let mut run = |command, code| seen.push(ended(loud(command).run(), code).text());
    run(shop.replace(&["--dry-run"]), 0);
    run(shop.replace(&["--yes", "--json"]), 0);
    set(&TOKEN.replace("4c1d", "5b2e"));
    run(shop.undo(&["--dry-run"]), 0);
    run(shop.undo(&["--yes", "--json"]), 0);
    run(shop.undo(&["--yes", "--kept", "nothing"]), 10);
    seen.push(server.psql("postgres", "SELECT string_agg(description, ' ') FROM pg_shdescription"));
    let stored = files(&shop.depot.path("prod"));
    assert!(stored.len() > 10, "{} objects", stored.len());
    let key = Canary::of_entry(NOVEMBER);
    let all = seen.iter().map(String::as_bytes).chain(stored.values().map(|bytes| &bytes[..]));
    for bytes in all {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(PASSWORD) && !text.contains("canary-of-a-token") && !key.is_in(bytes), "{text}");
    }
}

/// `lifeboat` at the shop's store with these keys and no recipient.
fn with_keys(shop: &Shop, verb: &str, entries: &[&str]) -> Lifeboat {
    let command = Lifeboat::new().arg(verb).args(["--store", &shop.depot.url]);
    command.env("LIFEBOAT_KEYRING", written(&shop.depot.path(""), entries))
}

fn replace_with_keys(shop: &Shop, entries: &[&str], allow: &str) -> Lifeboat {
    let command =
        with_keys(shop, "restore", entries).args(["shop/latest", "--into", "env:LIVE_URL", "--replace", "--yes"]);
    let tools = &shop.database.server.installation.bin;
    command.arg(allow).env("LIVE_URL", shop.database.dsn()).env("LIFEBOAT_TOOLS_DIR", tools)
}

#[test]
fn a_host_that_only_opens_backups_seals_the_safety_backup_with_what_it_opens_them_with() {
    let shop = Shop::new(Major::V18);
    let replaced =
        replace_with_keys(&shop, &[OFFLINE], "--allow-unsigned").env("LIFEBOAT_TRUSTED_SIGNERS", public(SIGNER));
    let replaced = ended(replaced.run(), 0);
    // As every other backup.
    assert!(replaced.stderr.contains("does not sign as one of them"), "{}", replaced.stderr);
    shop.assert_restored();
    let verify = |entries: &[&str]| with_keys(&shop, "verify", entries).arg("shop.replaced/latest").run();
    verify(&[OFFLINE]).expect(0);
    assert_ne!(verify(&[NOVEMBER]).code(), 0, "somebody else opens it");
}

#[test]
fn a_host_that_can_seal_nothing_is_told_how_to_go_on() {
    let shop = Shop::backed_up(Major::V15);
    let refused = ended(replace_with_keys(&shop, &[SIGNER], "--allow-unencrypted").run(), 78);
    for word in ["seal the safety backup", "--no-safety-backup"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!(shop.others(), Vec::<String>::new());
}
