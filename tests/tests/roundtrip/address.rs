//! Prefixes that are no plain words: what is written under them is found again.

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{Depot, fixtures};

#[test]
fn a_backup_under_a_prefix_with_a_space_and_a_tilde_is_listed_proven_and_restored() {
    let mut depot = Depot::s3();
    depot.url = depot.bucket().url("a~b c/prod");
    let original = fixtures::noise();
    let backup = depot.backup(&original);
    let manifest = format!("a~b c/{}", backup.object("manifest.json"));
    assert!(depot.bucket().objects().contains_key(&manifest), "{:?}", depot.bucket().objects().keys());
    let listed = depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(listed["backups"][0]["id"], backup.id.as_str(), "{listed}");
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
    assert_same(&original, &depot.restore(original.server, &[]));
}
