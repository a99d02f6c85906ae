//! Memory is bounded by the parts in flight, whatever the size of the database and however slow the store.

use std::time::Duration;

use lifeboat_tests::{Fault, Identity, Proxy, Seaweed, When};

use crate::world::{add_blobs, backup_command, several_tables};

const LIMIT_BYTES: u64 = 128 << 20;
/// What a release build has resident of the program itself.
const PROGRAM_BYTES: u64 = 16 << 20;

#[test]
fn a_backup_through_a_slow_store_stays_within_128_mib_and_its_own_plan() {
    let (database, bucket) = (several_tables("memory"), Seaweed::shared().bucket("memory"));
    // Every row of 128 KiB is incompressible: 120 MiB are eight parts, more than can be in flight.
    add_blobs(&database, 120);
    let planned = backup_command(&database, &bucket, "x").args(["--dry-run", "--json"]).run().expect(0);
    let planned = planned.records().iter().find_map(|record| find_number(record, "memory_bytes")).unwrap();
    assert!(bucket.objects().is_empty(), "a dry run wrote something");

    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("UploadPart"), Fault::Delay(Duration::from_millis(1500)));
    let running = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Admin)).spawn();
    let mut peak = 0;
    while running.is_running() {
        peak = peak.max(running.own_bytes() + PROGRAM_BYTES);
        std::thread::sleep(Duration::from_millis(20));
    }
    running.wait().expect(0);
    let parts = proxy.operations().iter().filter(|operation| **operation == "UploadPart").count();
    assert!(parts >= 6, "{parts} parts are too few to fill what may be in flight");
    eprintln!("peak {} MiB, planned {} MiB", peak >> 20, planned >> 20);
    assert!(peak > 3 * (16 << 20), "{peak} bytes: the parts in flight alone are more");
    assert!(peak <= LIMIT_BYTES, "{} MiB resident", peak >> 20);
    assert!(peak <= planned, "{peak} bytes resident, {planned} planned");
}

/// The number called `name`, wherever it stands.
fn find_number(value: &serde_json::Value, name: &str) -> Option<u64> {
    match value {
        serde_json::Value::Object(fields) => {
            let own = fields.get(name).and_then(serde_json::Value::as_u64);
            own.or_else(|| fields.values().find_map(|value| find_number(value, name)))
        }
        serde_json::Value::Array(items) => items.iter().find_map(|value| find_number(value, name)),
        _ => None,
    }
}
