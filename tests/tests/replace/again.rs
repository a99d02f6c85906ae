//! A run whose last step failed, and the one that goes on from it.

use lifeboat_tests::{Lifeboat, Major, Outcome};

use crate::world::{Shop, ended};

/// Somebody subscribes while the backup is restored, and is gone when the run has ended.
#[track_caller]
fn refused_at_the_swap(shop: &Shop, command: Lifeboat) -> Outcome {
    let running = shop.restoring(command);
    shop.database.psql("CREATE SUBSCRIPTION late CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)");
    let refused = running.wait();
    for statement in ["ALTER SUBSCRIPTION late SET (slot_name = NONE)", "DROP SUBSCRIPTION late"] {
        shop.database.psql(statement);
    }
    let refused = ended(refused, 40);
    for word in ["has subscriptions", "the same command goes on from it"] {
        assert!(refused.text().contains(word), "{word} in {}", refused.text());
    }
    refused
}

#[test]
fn the_newest_safety_backup_stays_what_it_was_when_it_is_restored_itself() {
    let shop = Shop::slow(Major::V15);
    let replaced = ended(shop.replace(&["--yes", "--json"]).run(), 0).result();
    let safety = replaced["summary"]["safety_backup"].as_str().unwrap();
    let back = || shop.on_live("restore").arg("shop.replaced/latest").args(["--replace", "--yes", "--json"]);
    let refused = refused_at_the_swap(&shop, back());
    let given = format!("with the backup given as {safety}");
    assert!(refused.text().contains(&given), "{given} in {}", refused.text());
    let gone_on = ended(back().run(), 0).result();
    assert!(gone_on["summary"]["restore"].is_null(), "{gone_on}");
    assert_eq!(gone_on["summary"]["backup"], *safety);
    assert!(gone_on["summary"]["safety_backup"].as_str().unwrap().starts_with("shop.replaced.replaced/"), "{gone_on}");
    assert_eq!(shop.database.psql("SELECT v FROM version"), "live");
}

#[test]
fn what_a_drop_left_half_done_is_dropped_and_not_gone_on_from() {
    let shop = Shop::slow(Major::V18);
    let replace = || shop.replace(&["--yes", "--no-safety-backup", "--json"]);
    refused_at_the_swap(&shop, replace());
    let left = shop.others().remove(0);
    let half = format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{left}'");
    shop.database.server.psql("postgres", &half);
    let anew = ended(replace().run(), 0).result();
    assert!(!anew["summary"]["restore"].is_null(), "{anew}");
    assert_eq!(anew["summary"]["dropped"], serde_json::json!([left]));
    assert_eq!(shop.database.psql("SELECT v FROM version"), "backup");
    assert_eq!(shop.others(), shop.kept());
}
