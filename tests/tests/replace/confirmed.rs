//! What somebody agreed to is what is done, and no other thing.

use lifeboat_tests::Major;
use lifeboat_tests::terminal::Terminal;

use crate::world::{Shop, ended};

#[test]
fn what_was_confirmed_is_done_with_the_databases_that_were_looked_at_or_not_at_all() {
    let shop = Shop::backed_up(Major::V15);
    for (slow, other) in [
        (shop.replace(&["--no-safety-backup"]), shop.replace(&["--yes", "--no-safety-backup"])),
        (shop.undo(&[]), shop.undo(&["--yes"])),
    ] {
        let mut slow = Terminal::start(&slow);
        slow.until("Type the database's name");
        // Another operator is quicker.
        ended(other.run(), 0);
        let (oid, others) = (shop.oid(), shop.others());
        slow.answer(&shop.database.name);
        let (code, said) = slow.wait();
        for word in ["another database has the name", "nothing was changed", "look at the plan"] {
            assert!(code == 40 && said.contains(word), "{code}, {word} in {said}");
        }
        assert_eq!((shop.oid(), shop.others()), (oid, others));
    }
}

#[test]
fn who_is_asked_may_go_away() {
    let shop = Shop::backed_up(Major::V15);
    let (oid, others) = (shop.oid(), shop.others());
    let mut asked = Terminal::start(&shop.replace(&["--no-safety-backup"]));
    asked.until("Type the database's name");
    asked.interrupt();
    let (code, said) = asked.wait();
    assert!(code == 130 && said.contains("nothing was changed"), "{said}");
    assert_eq!((shop.oid(), shop.others()), (oid, others));
}

#[test]
fn of_several_kept_databases_the_one_that_is_named_comes_back() {
    let shop = Shop::backed_up(Major::V15);
    shop.database.psql("UPDATE version SET v = 'first'");
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let first = shop.kept().remove(0);
    shop.database.psql("UPDATE version SET v = 'second'");
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let (kept, oid) = (shop.kept(), shop.oid());
    let second = kept.iter().find(|name| **name != first).unwrap();
    for options in [&["--yes"][..], &["--dry-run"]] {
        let several = ended(shop.undo(options).run(), 40);
        for word in ["2 databases are kept", &first, second, "--kept"] {
            assert!(several.stderr.contains(word), "{word} in {}", several.stderr);
        }
    }
    let unknown = ended(shop.undo(&["--yes", "--kept", &shop.database.name]).run(), 10);
    assert!(unknown.stderr.contains(&first), "{}", unknown.stderr);
    assert_eq!((shop.oid(), shop.kept()), (oid, kept.clone()));
    ended(shop.undo(&["--yes", "--kept", &first]).run(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "first");
    ended(shop.undo(&["--yes", "--kept", second]).run(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "second");
}

#[test]
fn what_was_changed_of_the_name_since_stays_when_it_is_taken_back() {
    let shop = Shop::new(Major::V15);
    let (server, name) = (shop.database.server, &shop.database.name);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    server.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {name} SET lock_timeout TO '3s'; ALTER DATABASE {name} RESET work_mem;
             ALTER DATABASE {name} SET app.token TO 'token-8f31'; ALTER DATABASE {name} CONNECTION LIMIT 5;
             ALTER DATABASE {name} OWNER TO pg_monitor; COMMENT ON DATABASE {name} IS 'restored';
             REVOKE ALL ON DATABASE {name} FROM plain; GRANT CREATE ON DATABASE {name} TO pg_monitor WITH GRANT OPTION"
        ),
    );
    // Somebody locked the kept one away.
    server.psql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", shop.kept()[0]));
    let changed = shop.settings_and_limit();
    let dry = ended(shop.undo(&["--dry-run"]).run(), 0);
    for word in [
        "lock_timeout set",
        "work_mem reset",
        "app.token set",
        "connection limit 5 (was 77)",
        "owner pg_monitor (was postgres)",
        "CONNECT of plain revoked",
        "connections are allowed (were not)",
        "comment",
    ] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    assert!(!dry.text().contains("token-8f31"), "{}", dry.text());
    ended(shop.undo(&["--yes"]).run(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "live");
    assert_eq!(shop.settings_and_limit(), changed);
}
