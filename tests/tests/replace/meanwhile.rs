//! What comes in the seconds of the swap, and connections that are lost in them.

use std::time::Duration;

use lifeboat_tests::relay::Relay;
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Major, Running, unused_name};
use rustix::process::Signal;

use crate::world::{Shop, being_changed, ended, postgres, swap_waits};

#[test]
fn what_is_changed_in_the_seconds_of_the_swap_goes_over_with_the_name() {
    let shop = Shop::new(Major::V18);
    let (server, name) = (shop.database.server, &shop.database.name);
    // Not the same twice: the one that comes back had the first change when it was set aside.
    for (command, version, timeout, role) in [
        (shop.replace(&["--yes", "--no-safety-backup"]), "backup", "3s", "pg_monitor"),
        (shop.undo(&["--yes"]), "live", "4s", "pg_read_all_data"),
    ] {
        let change = format!(
            "COMMENT ON DATABASE {name} IS 'changed, {timeout}'; ALTER DATABASE {name} SET lock_timeout TO '{timeout}';
             REVOKE ALL ON DATABASE {name} FROM plain; GRANT CREATE ON DATABASE {name} TO {role}"
        );
        let held = being_changed(&shop, &change);
        let running = command.spawn();
        wait_for(&postgres(server), &swap_waits(&shop));
        held.commit();
        ended(running.wait(), 0);
        assert_eq!(shop.database.psql("SELECT v FROM version"), version);
        let now = format!("{:?}", shop.settings());
        for part in
            [format!("\"comment\": \"changed, {timeout}\""), format!("lock_timeout={timeout}"), format!("{role}=C/")]
        {
            assert!(now.contains(&part), "{part} in {now}");
        }
        assert!(!now.contains("plain=Tc") && !now.contains("plain=T/"), "{now}");
        server.psql(
            "postgres",
            &format!(
                "COMMENT ON DATABASE {name} IS NULL; ALTER DATABASE {name} RESET lock_timeout;
             GRANT TEMPORARY ON DATABASE {name} TO plain; REVOKE ALL ON DATABASE {name} FROM {role}"
            ),
        );
    }
}

#[test]
fn a_role_that_is_dropped_during_the_restore_takes_nothing_with_it() {
    let shop = Shop::slow(Major::V18);
    let (server, name, joe) = (shop.database.server, &shop.database.name, unused_name("joe"));
    server.psql("postgres", &format!("CREATE ROLE {joe}; ALTER ROLE {joe} IN DATABASE {name} SET work_mem TO '5MB'"));
    let running = shop.restoring(shop.replace(&["--yes", "--no-safety-backup"]));
    server.psql("postgres", &format!("DROP ROLE {joe}"));
    ended(running.wait(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "backup");
}

#[test]
fn a_change_of_the_kept_database_that_somebody_holds_open_does_not_keep_an_undo_waiting() {
    let shop = Shop::new(Major::V15);
    let replaced = ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let (server, name, oid, kept) = (shop.database.server, &shop.database.name, shop.oid(), shop.kept().remove(0));
    // As there may be others.
    let way_back = format!("--undo-replace --kept {kept}\n");
    assert!(replaced.stdout.contains(&way_back), "{way_back} in {}", replaced.stdout);
    server.psql(
        "postgres",
        &format!("ALTER DATABASE {name} CONNECTION LIMIT 9; ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
    );
    let told = ended(shop.undo(&["--dry-run"]).run(), 0);
    assert!(told.stdout.contains("allows no connections; the one that comes back will"), "{}", told.stdout);
    server.psql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    let held = being_changed(&shop, &format!("ALTER DATABASE {kept} CONNECTION LIMIT 5"));
    let again = ended(shop.undo(&["--yes"]).run(), 75);
    assert!(again.stderr.contains("pg_blocking_pids"), "{}", again.stderr);
    assert_eq!((shop.oid(), shop.kept()), (oid, vec![kept]));
    held.release();
    ended(shop.undo(&["--yes"]).run(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "live");
    assert_eq!(shop.settings_and_limit().1, "9");
}

#[test]
fn a_change_of_the_kept_database_that_is_committed_just_then_is_no_reason_to_end_an_undo() {
    let shop = Shop::new(Major::V15);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let (server, name, kept) = (shop.database.server, &shop.database.name, shop.kept().remove(0));
    server.psql("postgres", &format!("ALTER DATABASE {name} CONNECTION LIMIT 9"));
    let held = being_changed(&shop, &format!("ALTER DATABASE {kept} CONNECTION LIMIT 5"));
    let running = shop.undo(&["--yes"]).spawn();
    let waits = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE \"{kept}\" CONNECTION LIMIT 9%'
         AND wait_event_type = 'Lock' AND application_name LIKE 'lifeboat/%'"
    );
    wait_for(&postgres(server), &waits);
    held.commit();
    ended(running.wait(), 0);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "live");
    assert_eq!(shop.settings_and_limit().1, "9");
}

#[test]
fn what_would_be_lost_stands_in_the_way_up_to_the_last_moment() {
    let shop = Shop::new(Major::V15);
    let (server, name, oid) = (shop.database.server, &shop.database.name, shop.oid());
    let held = being_changed(&shop, &format!("COMMENT ON DATABASE {name} IS 'being changed'"));
    let running = shop.replace(&["--yes", "--no-safety-backup"]).spawn();
    wait_for(&postgres(server), &swap_waits(&shop));
    let subscribe = "CREATE SUBSCRIPTION late CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)";
    while !server.try_psql(name, subscribe).status.success() {
        assert!(running.is_running(), "{}", running.wait().text());
    }
    held.release();
    let refused = ended(running.wait(), 40);
    for word in ["has subscriptions", "late", "the same command goes on from it"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!((shop.oid(), shop.kept()), (oid, Vec::new()));
    for statement in ["ALTER SUBSCRIPTION late SET (slot_name = NONE)", "DROP SUBSCRIPTION late"] {
        shop.database.psql(statement);
    }
    let gone_on = ended(shop.replace(&["--yes", "--no-safety-backup", "--json"]).run(), 0);
    assert!(gone_on.result()["summary"]["restore"].is_null(), "{}", gone_on.stdout);
    shop.assert_restored();
}

#[test]
fn after_a_lost_answer_the_server_is_asked_which_way_it_went() {
    let shop = Shop::on_its_own_server();
    let (server, name, oid) = (shop.database.server, &shop.database.name, shop.oid());
    let postgres = postgres(server);
    let relay = Relay::to(server.port());
    let url = server.dsn(name).replace(&format!(":{}/", server.port()), &format!(":{}/", relay.port()));
    let through = |options: &[&str]| shop.replace(options).env("LIVE_URL", &url);
    let change = format!("COMMENT ON DATABASE {name} IS 'being changed'");

    // Before COMMIT: nothing has changed, and is not going to.
    let held = being_changed(&shop, &change);
    let running = through(&["--yes", "--no-safety-backup"]).spawn();
    wait_for(&postgres, &swap_waits(&shop));
    assert!(relay.cut() > 0);
    held.release();
    let lost = ended(running.wait(), 20);
    for words in ["the same command goes on from it", &as_it_was(&shop)] {
        assert!(lost.stderr.contains(words), "{words} in {}", lost.stderr);
    }
    assert_eq!((shop.oid(), shop.kept()), (oid.clone(), Vec::new()));

    // Within COMMIT, which waits for a standby that is not there: others see nothing of it yet.
    let held = being_changed(&shop, &change);
    let running = through(&["--yes", "--no-safety-backup", "--json"]).spawn();
    wait_for(&postgres, &swap_waits(&shop));
    let nobody = WaitsForNobody::begin(&shop);
    held.release();
    wait_for(&postgres, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    assert!(relay.cut() > 0);
    std::thread::sleep(Duration::from_secs(1));
    assert!(running.is_running(), "it did not wait for the end of the transaction");
    drop(nobody);
    let outcome = ended(running.wait(), 0);
    assert!(outcome.result()["summary"]["restore"].is_null(), "{}", outcome.stdout);
    assert_ne!(shop.oid(), oid);
    shop.assert_restored();
    assert_eq!(shop.kept().len(), 1);
}

#[test]
fn a_database_that_somebody_renames_during_the_swap_is_not_said_to_be_as_it_was() {
    let shop = Shop::slow(Major::V15);
    let (server, name) = (shop.database.server, &shop.database.name);
    let moved = format!("{name}_moved");
    let renamed_during = |held: Held, running: Running| {
        wait_for(&postgres(server), &swap_waits(&shop));
        held.commit();
        let told = running.wait().expect(20).stderr;
        for words in ["it was dropped, or renamed, meanwhile", "look with `psql -l`"] {
            assert!(told.contains(words), "{words} in {told}");
        }
        assert!(!told.contains("is as it was"), "{told}");
        server.psql("postgres", &format!("ALTER DATABASE {moved} RENAME TO {name}"));
    };
    let rename = format!("ALTER DATABASE {name} RENAME TO {moved}");

    let running = shop.restoring(shop.replace(&["--yes", "--no-safety-backup"]));
    renamed_during(being_changed(&shop, &rename), running);
    assert_eq!(shop.database.psql("SELECT v FROM version"), "live");

    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    renamed_during(being_changed(&shop, &rename), shop.undo(&["--yes"]).spawn());
    assert_eq!(shop.database.psql("SELECT v FROM version"), "backup");
}

fn as_it_was(shop: &Shop) -> String {
    format!("the live database {} is as it was", shop.database.name)
}

/// While this lives, no transaction on the shop's server ends.
pub(crate) struct WaitsForNobody<'a>(&'a Shop);

impl WaitsForNobody<'_> {
    pub(crate) fn begin(shop: &Shop) -> WaitsForNobody<'_> {
        let began = WaitsForNobody(shop);
        began.reload_with("ALTER SYSTEM SET synchronous_standby_names TO 'nobody'");
        let is_so = "SELECT current_setting('synchronous_standby_names') = 'nobody'";
        wait_for(&postgres(shop.database.server), is_so);
        began
    }

    fn reload_with(&self, statement: &str) {
        let server = self.0.database.server;
        server.psql("postgres", statement);
        server.psql("postgres", "SELECT pg_reload_conf()");
    }
}

impl Drop for WaitsForNobody<'_> {
    fn drop(&mut self) {
        self.reload_with("ALTER SYSTEM RESET synchronous_standby_names");
    }
}

#[test]
fn where_a_database_was_moved_meanwhile_the_restored_one_is_moved_after_it_and_gone_on_from() {
    let shop = Shop::slow(Major::V18);
    let (server, name) = (shop.database.server, &shop.database.name);
    let space = unused_name("space");
    server.psql("postgres", &format!("SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE {space} LOCATION ''"));
    let running = shop.restoring(shop.replace(&["--yes", "--no-safety-backup"]));
    running.signal(Signal::STOP);
    server.psql("postgres", &format!("ALTER DATABASE {name} SET TABLESPACE {space}"));
    running.signal(Signal::CONT);
    let refused = ended(running.wait(), 40);
    let left = shop.others().remove(0);
    let hint = format!("ALTER DATABASE \"{left}\" SET TABLESPACE \"{space}\"");
    for word in ["was moved meanwhile", &hint, "the same command goes on from it"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    server.psql("postgres", &hint);
    let gone_on = ended(shop.replace(&["--yes", "--no-safety-backup", "--json"]).run(), 0);
    assert!(gone_on.result()["summary"]["restore"].is_null(), "{}", gone_on.stdout);
    shop.assert_restored();
    drop(shop);
    server.psql("postgres", &format!("DROP TABLESPACE {space}"));
}
