//! Other servers: standbys, and publishers that the backup knows.

use lifeboat_tests::Major;
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::wait_for;

use crate::world::{Shop, ended};

#[test]
fn standbys_follow_the_swap_and_are_no_targets() {
    let shop = Shop::on_its_own_server();
    let (primary, name) = (shop.database.server, &shop.database.name);
    shop.database.psql("UPDATE version SET v = 'live'");
    let standby = primary.standby(&Options::default());
    let caught_up = || {
        let lsn = primary.psql("postgres", "SELECT pg_current_wal_lsn()");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'");
        wait_for(&std::mem::ManuallyDrop::new(standby.adopt("postgres")), &replayed);
    };
    caught_up();
    let at_the_standby = |options: &[&str]| shop.replace(options).env("LIVE_URL", standby.dsn(name));
    for options in [&["--dry-run"][..], &["--yes"]] {
        let refused = ended(at_the_standby(options).run(), 40);
        assert!(refused.text().contains("the server is a standby"), "{}", refused.text());
    }
    let plan = ended(shop.replace(&["--dry-run"]).run(), 0);
    assert!(plan.stdout.contains("1 server or program follows this server"), "{}", plan.stdout);
    ended(shop.replace(&["--yes"]).run(), 0);
    caught_up();
    assert_eq!(standby.psql(name, "SELECT v FROM version"), "backup");
    assert_eq!(standby.psql(&shop.kept()[0], "SELECT v FROM version"), "live");
    let refused = ended(shop.undo(&["--yes"]).env("LIVE_URL", standby.dsn(name)).run(), 40);
    assert!(refused.stderr.contains("take it back on its primary"), "{}", refused.stderr);
    ended(shop.undo(&["--yes"]).run(), 0);
    caught_up();
    assert_eq!(standby.psql(name, "SELECT v FROM version"), "live");
}

#[test]
fn subscriptions_of_the_backup_are_left_out_and_keep_nothing_from_being_taken_back_or_dropped() {
    for major in Major::ALL {
        let shop = Shop::backed_up(major);
        shop.database
            .psql("CREATE SUBSCRIPTION precious CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)");
        shop.depot.backup(&shop.database);
        for statement in ["ALTER SUBSCRIPTION precious SET (slot_name = NONE)", "DROP SUBSCRIPTION precious"] {
            shop.database.psql(statement);
        }
        let oid = shop.oid();
        let replaced = ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
        assert!(replaced.stderr.contains("subscriptions of the backup are left out: precious"), "{}", replaced.stderr);
        shop.assert_restored();
        ended(shop.undo(&["--yes"]).run(), 0);
        assert_eq!(shop.oid(), oid);
        shop.drop_kept();
        assert_eq!(shop.others(), Vec::<String>::new());
    }
}
