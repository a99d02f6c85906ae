//! Batches by bytes: long values, and rows that have none.

use std::sync::{Arc, Mutex};

use lifeboat_core::Job;
use lifeboat_core::monitor::{Counter, Event, Monitor};
use lifeboat_rotate::sweep::{self, Limits, Mode, Order, Summary, SweepOptions};
use lifeboat_tests::{Major, run};
use tokio_util::sync::CancellationToken;

use crate::world::{NEW, OLD, Plain, World, cut_over, inconsiderate, mode, same, small};

/// Keeps how many rows there were at a time.
#[derive(Default)]
struct Batches(Mutex<Vec<u64>>);

impl Monitor for Batches {
    fn event(&self, event: &Event<'_>) {
        if let Event::Count(Counter::Rows, rows) = event {
            self.0.lock().unwrap().push(*rows);
        }
    }
}

/// Runs, or rolls back, and gives the rows of each batch.
fn batches(world: &World, options: &SweepOptions, back: bool) -> (Summary, Vec<u64>) {
    let heard = Arc::new(Batches::default());
    let job = Job::new(heard.clone(), CancellationToken::new());
    let (settings, targets) = (world.settings(), world.targets());
    let summary = match back {
        false => run(sweep::run(&settings, targets, options, &job)),
        true => run(sweep::rollback(&settings, targets, options, &job)),
    };
    let rows = heard.0.lock().unwrap().drain(..).filter(|rows| *rows > 0).collect();
    (summary.unwrap(), rows)
}

#[test]
fn batches_of_long_values_are_small_in_every_order_and_mode() {
    let plain: Plain = (0..60).map(|id| (id.to_string(), format!("{id}").repeat(2000 - id * 10))).collect();
    for (columns, order) in [
        ("id int PRIMARY KEY, value text", Some(Order::Key)),
        ("id int PRIMARY KEY, value text", Some(Order::Place)),
        ("id int, value text", None),
    ] {
        let world = World::new(Major::V18, columns);
        world.fill(OLD, &plain);
        // Some five of these values each, however long the server believes them to be.
        let limits = Limits { batch_bytes: 20_000, ..inconsiderate() };
        for of in [Mode::Online, Mode::Offline] {
            let options = SweepOptions { mode: Some(of), order, limits: limits.clone(), ..SweepOptions::default() };
            let case = format!("{columns}, {order:?}, {}", of.name());
            let (summary, rows) = batches(&world, &options, false);
            assert!(summary.is_clean(), "{case}: {summary:?}");
            assert!(rows.iter().all(|rows| *rows < 20), "{case}: {rows:?}");
            // Where rows are read as they lie, those that were written into the same block are met again.
            let read = rows.iter().sum::<u64>();
            assert!(read == 60 || of == Mode::Online && order != Some(Order::Key) && read <= 120, "{case}: {rows:?}");
            same(&world.opened(NEW), &plain, &case);
            assert!(batches(&world, &options, true).0.is_clean());
            same(&world.opened(OLD), &plain, &case);
        }
    }
}

#[test]
fn rows_without_a_value_are_counted_and_not_read_while_writers_are_kept_out() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 200);
    world.database.psql("INSERT INTO secrets SELECT n, NULL FROM generate_series(1000, 5999) n");
    world.run(&mode(Mode::Staged)).unwrap();
    let value = world.encrypted(OLD, "written since");
    world.database.psql(&format!("UPDATE secrets SET value = '{value}' WHERE id < 100"));
    let (summary, rows) = batches(&world, &cut_over(), false);
    assert_eq!((summary.targets[0].counts.rotated, summary.targets[0].counts.empty), (200, 5000), "{summary:?}");
    assert_eq!(rows, [97, 3, 5000], "batches of those that were not prepared, and the others in one number");
    assert_eq!(world.opened(NEW).len(), plain.len());

    world.database.psql("UPDATE secrets SET value = NULL WHERE id < 50");
    let (summary, rows) = batches(&world, &small(), true);
    assert_eq!((summary.targets[0].counts.rotated, summary.targets[0].counts.empty), (150, 5050), "{summary:?}");
    assert_eq!(rows, [5050]);
    assert_eq!(world.opened(OLD).len(), 150);
}
