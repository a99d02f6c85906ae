//! Rows that another session holds where everything is one transaction: all of it becomes so, or nothing.

use std::time::Duration;

use lifeboat_core::{Kind, Result};
use lifeboat_rotate::sweep::{Limits, Mode, Phase, Summary, SweepOptions};
use lifeboat_tests::Major;
use lifeboat_tests::session::Held;

use crate::world::{NEW, OLD, World, cut_over, mode, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";
const HOLD: &str = "BEGIN; SELECT 1 FROM secrets WHERE id = 7 FOR UPDATE";

/// Every row is marked beside its table by whoever writes it; one of these marks is held.
const MARKED: &str = "
CREATE TABLE marks AS SELECT id, 0 AS writes FROM secrets;
CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE public.marks SET writes = writes + 1 WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER mark AFTER UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION mark()";
const HOLD_MARK: &str = "BEGIN; SELECT 1 FROM marks WHERE id = 7 FOR UPDATE";

/// With little patience.
fn brisk(options: SweepOptions) -> SweepOptions {
    SweepOptions { limits: Limits { lock_timeout: Duration::from_millis(50), ..Limits::default() }, ..options }
}

/// It is refused while the row is held, changes nothing, and goes through afterwards.
fn refused_while_held(world: &World, hold: &str, kind: Kind, secret: &str, deed: impl Fn() -> Result<Summary>) {
    let (before, phase) = (world.opened(secret), world.status().targets.first().map(|target| target.phase));
    let held = Held::new(&world.database, hold);
    let error = deed().unwrap_err();
    assert_eq!(error.kind(), kind, "{}", error.chain());
    assert!(error.help().unwrap().contains("nothing was changed"), "{}", error.chain());
    assert!(kind != Kind::TryAgain || error.help().unwrap().contains("VACUUM"), "{:?}", error.help());
    held.release();
    same(&world.opened(secret), &before, "nothing was changed");
    let now = world.status().targets.first().map(|target| target.phase);
    assert!(phase.is_none() || now == phase, "{now:?}");
    assert!(deed().unwrap().is_clean());
}

#[test]
fn an_offline_rotation_and_its_way_back_leave_no_row_under_the_other_key_that_somebody_holds() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 60);
    refused_while_held(&world, HOLD, Kind::TryAgain, OLD, || world.run(&brisk(mode(Mode::Offline))));
    same(&world.opened(NEW), &plain, "forward");
    refused_while_held(&world, HOLD, Kind::TryAgain, NEW, || world.rollback(&brisk(small())));
    same(&world.opened(OLD), &plain, "and back");
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
}

#[test]
fn new_values_that_are_put_in_place_and_back_leave_no_row_out_that_somebody_holds() {
    let (world, mut plain) = World::with_rows(Major::V15, TABLE, 60);
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    refused_while_held(&world, HOLD, Kind::TryAgain, OLD, || world.run(&brisk(cut_over())));
    same(&world.opened(NEW), &plain, "in place");
    // For what the application has written since, nothing was kept: it is rewritten.
    let value = world.encrypted(NEW, "written since");
    world.database.psql(&format!("UPDATE secrets SET value = '{value}' WHERE id = 7"));
    plain.insert("7".to_owned(), "written since".to_owned());
    refused_while_held(&world, HOLD, Kind::TryAgain, NEW, || world.rollback(&brisk(small())));
    same(&world.opened(OLD), &plain, "and back");
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
}

#[test]
fn a_row_that_a_trigger_cannot_write_undoes_the_whole_transaction() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 60);
    world.database.psql(MARKED);
    refused_while_held(&world, HOLD_MARK, Kind::Policy, OLD, || world.run(&brisk(mode(Mode::Offline))));
    same(&world.opened(NEW), &plain, "forward");
    refused_while_held(&world, HOLD_MARK, Kind::Policy, NEW, || world.rollback(&brisk(small())));
    same(&world.opened(OLD), &plain, "and back");
}
