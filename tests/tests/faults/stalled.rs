//! A store that hangs: the run ends by itself.

use lifeboat_tests::{Fault, Identity, Proxy, Seaweed, When, run};

use crate::world::{add_blobs, backup_command, hasty_store, proven_backups, several_tables};

/// A backup against a store that hangs whenever `when` says so; it must end by itself.
fn stalls(prefix: &str, when: When) {
    let (database, bucket) = (several_tables(prefix), Seaweed::shared().bucket("stalled"));
    add_blobs(&database, 24);
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(when, Fault::Hang);
    let command = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Admin));
    let outcome = command.args(["--stall-timeout", "2s"]).run().expect(75);
    assert!(outcome.stderr.contains("nothing moved for 2 seconds"), "{}", outcome.stderr);
    assert_eq!(bucket.open_uploads(), []);
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);
    assert_eq!(run(proven_backups(&store)), Vec::<String>::new());
}

#[test]
fn a_part_that_is_never_answered_ends_the_run() {
    stalls("stalled_part", When::operation("UploadPart"));
}

#[test]
fn a_commit_that_is_never_answered_ends_the_run() {
    stalls("stalled_commit", When::call(|call| call.key().ends_with("manifest.json")));
}

#[test]
fn a_store_that_never_answers_at_all_ends_the_run() {
    stalls("stalled_first", When::any());
}

#[test]
fn a_store_that_falls_silent_ends_the_run_though_its_end_cannot_be_recorded() {
    let rest = |call: &lifeboat_tests::proxy::Call| !call.key().ends_with(".start.json");
    stalls("stalled_rest", When::call(rest));
}
