//! Restoring and printing read ranges: the chunks that hold them, and no object whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, BackupSummary, MethodChoice, Reach, Source, backup};
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{self, UploadOptions};
use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::keyring::{NOVEMBER, ring};
use lifeboat_tests::proxy::Call;
use lifeboat_tests::{Database, Identity, NAME, Proxy, Seaweed, fixtures, unused_name};
use tempfile::TempDir;

use crate::vault::Vault;

const CHUNK_BYTES: u64 = 16_400;

/// Where parts, objects and ranges end.
struct Pieces {
    part_bytes: usize,
    parts_max: u64,
    range_bytes: u64,
}

/// A sealed backup with small limits, into the store at `url`.
fn in_pieces(url: &str, environment: &[(&str, String)], database: &Database<'_>, pieces: &Pieces) -> BackupSummary {
    let state = TempDir::new().unwrap();
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let store = store::open(&url.parse().unwrap(), &environment).unwrap();
    let settings = ConnectionSettings::parse(&database.dsn(), &|_: &str| None).unwrap();
    let tools_dir = Some(database.server.installation.bin.clone());
    let source = Source::new(NAME.parse().unwrap(), Reach::Direct { settings: Box::new(settings), tools_dir });
    let Pieces { part_bytes, parts_max, range_bytes } = *pieces;
    let upload = UploadOptions { part_bytes, parts_max, ..UploadOptions::default() };
    let seal = Some(Arc::new(ring(&[NOVEMBER]).seal_keys(&[]).unwrap()));
    let options = BackupOptions {
        upload,
        chunk_bytes: range_bytes,
        seal,
        method: MethodChoice::Stream,
        ..BackupOptions::new(state.path())
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary = runtime.block_on(backup(&source, &store, &options, Arc::new(Silent))).unwrap();
    assert!(summary.manifest.script.len() >= 3, "{} objects", summary.manifest.script.len());
    summary
}

/// The first and last byte that a call asked for.
fn range(call: &Call) -> (u64, u64) {
    let header = call.header("range").unwrap_or_else(|| panic!("{} is read whole", call.key()));
    let (first, last) = header.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

/// Each byte of the script is fetched `times`, but for chunks that two ranges share; nothing but ranges is asked for.
#[track_caller]
fn assert_read_by_chunks(calls: &[Call], summary: &BackupSummary, times: u64) {
    assert!(calls.iter().all(|call| ["GetObject", "ListObjects"].contains(&call.operation())), "{calls:?}");
    let of_script: Vec<_> = calls.iter().filter(|call| call.key().contains("/dump-")).collect();
    assert!(of_script.len() >= 5, "{} calls", of_script.len());
    for call in &of_script {
        let (first, last) = range(call);
        let name = call.key().rsplit('/').next().unwrap();
        let object = summary.manifest.script.iter().find(|object| object.name == name).unwrap();
        assert!((first - 56) % CHUNK_BYTES == 0, "{name} is read from byte {first}, within a chunk");
        assert!((last + 1 - 56) % CHUNK_BYTES == 0 || last + 1 == object.length, "{name} is read to byte {last}");
    }
    let stored: u64 = summary.manifest.script.iter().map(|object| object.length).sum();
    let fetched: u64 = of_script.iter().map(|call| call.response_bytes).sum();
    let shared = of_script.len() as u64 * CHUNK_BYTES;
    let least = times * (stored - 56 * summary.manifest.script.len() as u64);
    assert!((least..=least + shared).contains(&fetched), "{fetched} of {stored} bytes, {times} times, were fetched");
}

#[test]
fn a_sealed_backup_in_several_objects_comes_back_by_ranges_from_s3() {
    let (vault, original) = (Vault::new(), fixtures::noise());
    // S3 takes no smaller parts.
    let pieces = Pieces { part_bytes: 5 << 20, parts_max: 2, range_bytes: 4 << 20 };
    let environment = Seaweed::shared().environment(Identity::Writer);
    let summary = in_pieces(&vault.bucket.url("prod"), &environment, &original, &pieces);
    let keyring = vault.keyring(&[NOVEMBER]);
    let proxy = Proxy::before(Seaweed::shared());
    let reader = || proxy.environment(Identity::Reader);

    let name = unused_name("restored");
    let restored = original.server.adopt(&name);
    let restore =
        vault.restore_command(original.server, &name).args(["--create", "--jobs", "4", "--keyring", &keyring]);
    restore.envs(reader()).run().expect(0);
    assert_same(&original, &restored);
    assert_read_by_chunks(&proxy.calls(), &summary, 1);

    proxy.forget_calls();
    let cat = vault.lifeboat("cat").args(["shop/latest", "--keyring", &keyring]).envs(reader());
    let output = cat.command().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_read_by_chunks(&proxy.calls(), &summary, 1);
    let copy = original.server.database("by_hand");
    assert!(copy.feed(&output.stdout).status.success());
    assert_same_but_settings(&original, &copy);

    // Verify reads every object once, whole.
    proxy.forget_calls();
    vault.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]).envs(reader()).run().expect(0);
    let of_objects = |call: &&Call| call.key().ends_with(".sealed");
    let fetched: u64 = proxy.calls().iter().filter(of_objects).map(|call| call.response_bytes).sum();
    let index = summary.manifest.attachment("index.json.gz").unwrap().length;
    assert_eq!(fetched, summary.manifest.stored_bytes() + index);
}
