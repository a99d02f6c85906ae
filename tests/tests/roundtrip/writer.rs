//! A key that may only write takes backups, and the calls prove it.

use std::collections::BTreeSet;

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{
    Backup, Database, Depot, Fault, Identity, Major, Proxy, Seaweed, Way, When, every_method, every_way, fixtures,
};

/// Backs up as the identity that may only write, through the recording proxy; gives the operations called.
fn operations_of_a_backup(depot: &Depot, database: &Database<'_>) -> BTreeSet<&'static str> {
    let proxy = Proxy::before(Seaweed::shared());
    let backup = depot.backup_command(database).envs(proxy.environment(Identity::Writer)).run().expect(0);
    Backup::of(&backup);
    assert!(proxy.calls().iter().all(|call| call.status.is_some_and(|status| status < 300)), "{:?}", proxy.calls());
    proxy.operations().into_iter().collect()
}

every_way!(
    a_small_backup_is_single_puts_of_a_key_that_may_only_write,
    a_large_backup_adds_the_multipart_calls_and_no_others,
);
every_method!(a_failed_backup_aborts_its_upload_and_calls_nothing_else);

fn a_small_backup_is_single_puts_of_a_key_that_may_only_write(way: Way) {
    let depot = Depot::s3().by(way);
    let original = fixtures::small(Major::V15);
    assert_eq!(operations_of_a_backup(&depot, &original), BTreeSet::from(["PutObject"]));
    assert_same(&original, &depot.restore(original.server, &[]));
}

fn a_large_backup_adds_the_multipart_calls_and_no_others(way: Way) {
    let depot = Depot::s3().by(way);
    let original = fixtures::noise();
    let expected = BTreeSet::from(["CompleteMultipartUpload", "CreateMultipartUpload", "PutObject", "UploadPart"]);
    assert_eq!(operations_of_a_backup(&depot, &original), expected);
    assert!(depot.bucket().open_uploads().is_empty());
    assert_same(&original, &depot.restore(original.server, &[]));
}

fn a_failed_backup_aborts_its_upload_and_calls_nothing_else(way: Way) {
    let depot = Depot::s3().by(way);
    let original = fixtures::noise();
    let proxy = Proxy::before(Seaweed::shared());
    let denied = When::operation("UploadPart").after(1);
    proxy.on(denied, Fault::ACCESS_DENIED);
    depot.backup_command(&original).envs(proxy.environment(Identity::Writer)).run().expect(78);
    let operations: BTreeSet<_> = proxy.operations().into_iter().collect();
    let allowed = BTreeSet::from(["AbortMultipartUpload", "CreateMultipartUpload", "PutObject", "UploadPart"]);
    assert_eq!(operations, allowed);
    assert!(depot.bucket().open_uploads().is_empty());
    let list = depot.lifeboat("list").run().expect(0);
    assert!(!list.stdout.contains("available"), "{}", list.stdout);
}
