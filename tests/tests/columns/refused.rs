//! Rows that the database itself does not let be written: named, left as they are, and no hindrance to the others.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Mode, SweepOptions, Why};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, World, cut_over, mode, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text, state text DEFAULT 'good'";

/// One row that a constraint refuses, and one that a trigger does.
const HINDRANCES: &str = "
UPDATE secrets SET state = 'bad' WHERE id = 7;
ALTER TABLE secrets ADD CONSTRAINT state_is_good CHECK (state = 'good') NOT VALID;
CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'frozen: %', OLD.value; END $$;
CREATE TRIGGER frozen BEFORE UPDATE ON secrets FOR EACH ROW WHEN (OLD.id = 31) EXECUTE FUNCTION frozen()";

#[test]
fn one_row_that_a_constraint_or_a_trigger_refuses_is_named_and_the_others_are_rotated() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 300);
    world.database.psql(HINDRANCES);
    let value = world.database.psql("SELECT value FROM secrets WHERE id = 31");
    let summary = world.run(&small()).unwrap();
    let target = &summary.targets[0];
    assert_eq!((target.counts.rotated, target.refused, target.left, target.complete), (298, 2, 2, false), "{target:?}");
    assert_eq!(target.passes, 2, "another pass would find the same: {target:?}");
    assert!(!summary.is_clean());
    let mut named: Vec<_> =
        target.failures.named.iter().map(|failure| (failure.key_text(), failure.why.clone())).collect();
    named.sort_by_key(|(key, _)| key.clone());
    let refused = |by: &str| Why::Refused(by.to_owned());
    let expected = [("31", refused("SQLSTATE P0001")), ("7", refused("constraint state_is_good"))];
    assert_eq!(named, expected.map(|(key, why)| (key.to_owned(), why)));
    assert!(!serde_json::to_string(&summary).unwrap().contains(&value), "no value is told");
    assert_eq!((world.opened(NEW).len(), world.opened(OLD).len()), (298, 2));
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy, "two are under the old key");

    world.database.psql("ALTER TABLE secrets DROP CONSTRAINT state_is_good; DROP TRIGGER frozen ON secrets");
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean(), "{summary:?}");
    let target = &summary.targets[0];
    assert_eq!((target.counts.rotated, target.written), (300, 2), "by the rotation, and by this run");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn what_is_one_transaction_fails_as_a_whole_and_names_the_rows() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 200);
    world.database.psql(HINDRANCES);
    let error = world.run(&mode(Mode::Offline)).unwrap_err();
    let help = error.help().unwrap();
    assert!(help.contains("secrets 7: refused by the database (constraint state_is_good)"), "{help}");
    assert!(help.contains("secrets 31: refused by the database (SQLSTATE P0001)"), "{help}");
    same(&world.opened(OLD), &plain, "nothing was written");
    world.rollback(&small()).unwrap();
    world.run(&mode(Mode::Staged)).unwrap();
    let error = world.run(&cut_over()).unwrap_err();
    assert!(error.help().unwrap().contains("mend the row public.secrets 31, or what refuses it"), "{:?}", error.help());
    world.database.psql("DROP TRIGGER frozen ON secrets");
    let error = world.run(&cut_over()).unwrap_err();
    assert!(error.chain().contains("state_is_good"), "{}", error.chain());
    assert!(error.help().unwrap().contains("mend the row public.secrets 7, or"), "{:?}", error.help());
    same(&world.opened(OLD), &plain, "nothing was put in place");
    world.database.psql(
        "ALTER TABLE secrets DROP CONSTRAINT state_is_good;
         CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END $$;
         CREATE TRIGGER closed AFTER UPDATE ON secrets FOR EACH STATEMENT EXECUTE FUNCTION closed()",
    );
    let error = world.run(&cut_over()).unwrap_err();
    assert!(error.help().unwrap().contains("mend what refuses it"), "{:?}", error.help());
    world.database.psql("DROP TRIGGER closed ON secrets");
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn what_refuses_everything_stops_the_run() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 500);
    world.database.psql(
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$;
         CREATE TRIGGER never BEFORE UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION never()",
    );
    let error = world.run(&SweepOptions { batch_rows: Some(400), ..SweepOptions::default() }).unwrap_err();
    assert!(error.chain().contains("never (SQLSTATE P0001)"), "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
}
