//! A run that was interrupted goes on though its table is named by another key since.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::monitor::Silent;
use lifeboat_core::{Job, Kind};
use lifeboat_rotate::sweep::{self, Limits, SweepOptions};
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Major, run};
use tokio_util::sync::CancellationToken;

use crate::world::{NEW, World, same, small};

/// Begins a rotation and ends the run in the middle of its first pass.
fn interrupted(world: &World) {
    let limits = Limits { pause: Duration::from_millis(100), ..Limits::default() };
    let options = SweepOptions { limits, batch_rows: Some(10), jobs: Some(1), ..SweepOptions::default() };
    let cancel = CancellationToken::new();
    std::thread::scope(|scope| {
        let job = Job::new(Arc::new(Silent), cancel.clone());
        let slow = scope.spawn(move || run(sweep::run(&world.settings(), world.targets(), &options, &job)));
        wait_for(&world.database, "SELECT to_regclass('lifeboat_rotate.part') IS NOT NULL");
        wait_for(&world.database, "SELECT coalesce(sum(rotated), 0) > 50 FROM lifeboat_rotate.part");
        cancel.cancel();
        assert_eq!(slow.join().unwrap().unwrap_err().kind(), Kind::Cancelled);
    });
    assert_ne!(world.database.psql("SELECT count(*) FROM lifeboat_rotate.part WHERE position IS NOT NULL"), "0");
}

#[test]
fn a_place_in_the_order_of_one_key_is_none_in_that_of_another() {
    let without_its_columns = "UPDATE lifeboat_rotate.part SET position = position::jsonb #- '{keys,by}'";
    let without_a_key = "ALTER TABLE secrets DROP CONSTRAINT secrets_pkey, DROP CONSTRAINT secrets_name_key";
    for (key, change) in [(Some("name"), "SELECT 1"), (None, without_a_key), (None, without_its_columns)] {
        let columns = "id int PRIMARY KEY, name uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), value text";
        let (mut world, plain) = World::with_rows(Major::V18, columns, 400);
        interrupted(&world);
        world.database.psql(change);
        world.target.key_columns = key.map(|key| vec![key.to_owned()]);
        let summary = world.run(&small()).unwrap();
        assert!(summary.is_clean() && summary.targets[0].resumed.is_some(), "{change}: {summary:?}");
        assert_eq!(summary.targets[0].counts.rotated, 400, "{change}: none was written twice");
        same(&world.opened(NEW), &plain, change);
    }
}
