//! A backup of several objects and chunks, taken by the library with small limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, BackupSummary, Reach, Source, backup};
use lifeboat_core::index::{Content, Index, Range};
use lifeboat_core::monitor::{Counter, Event, Monitor};
use lifeboat_core::store::{self, UploadOptions};
use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::stock::{assert_psql_makes_it_of, gunzipped, script_objects};
use lifeboat_tests::{Database, Major, fixtures};
use tempfile::TempDir;

use crate::depot::{Depot, NAME};

/// Where parts, objects and chunks end.
struct Pieces {
    part_bytes: usize,
    parts_max: u64,
    chunk_bytes: u64,
}

/// Counts rows.
#[derive(Default)]
struct Rows(AtomicU64);

impl Monitor for Rows {
    fn event(&self, event: &Event<'_>) {
        if let Event::Count(Counter::Rows, rows) = event {
            self.0.fetch_add(*rows, Ordering::Relaxed);
        }
    }
}

fn in_pieces(depot: &Depot, database: &Database<'_>, pieces: &Pieces) -> BackupSummary {
    let state = TempDir::new().unwrap();
    let environment: BTreeMap<_, _> =
        depot.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let store = store::create(&depot.url.parse().unwrap(), &environment).unwrap();
    let settings = ConnectionSettings::parse(&database.dsn(), &|_: &str| None).unwrap();
    let tools_dir = Some(database.server.installation.bin.clone());
    let reach = Reach::Direct { settings: Box::new(settings), tools_dir };
    let source = Source { name: NAME.parse().unwrap(), reach };
    let Pieces { part_bytes, parts_max, chunk_bytes } = *pieces;
    let upload = UploadOptions { part_bytes, parts_max, ..UploadOptions::default() };
    let options = BackupOptions { upload, chunk_bytes, ..BackupOptions::new(state.path()) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = Arc::new(Rows::default());
    let summary = runtime.block_on(backup(&source, &store, &options, told.clone())).unwrap();
    assert_eq!(told.0.load(Ordering::Relaxed), summary.rows);
    summary
}

fn comes_back(depot: &Depot, original: &Database<'_>, pieces: &Pieces) {
    let summary = in_pieces(depot, original, pieces);
    assert!(summary.manifest.script.len() >= 3, "{} objects", summary.manifest.script.len());

    let path = format!("backups/daily/{NAME}/{}", summary.id);
    let index = Index::parse(&depot.read(&format!("{path}/index.json.gz"))).unwrap();
    let middle = |range: &&Range| matches!(&range.content, Content::Rows(rows) if !rows.opens && !rows.closes);
    assert!(index.ranges.iter().filter(middle).count() >= 5, "a large table is cut into chunks");

    let created = depot.restore(original.server, &[]);
    assert_same(original, &created);
    let empty = original.server.database("empty");
    depot.restore_command(original.server, &empty.name).args(["--jobs", "4"]).run().expect(0);
    assert_same_but_settings(original, &empty);

    let objects: Vec<u8> = script_objects(&depot.read(&format!("{path}/manifest.json")))
        .iter()
        .flat_map(|name| match depot.is_s3() {
            true => depot.bucket().fetch_with_aws(&format!("prod/{path}/{name}")),
            false => depot.read(&format!("{path}/{name}")),
        })
        .collect();
    assert_psql_makes_it_of(&gunzipped(&objects), original);
}

#[test]
fn a_backup_in_many_objects_and_chunks_comes_back_from_a_folder() {
    let pieces = Pieces { part_bytes: 128 << 10, parts_max: 5, chunk_bytes: 64 << 10 };
    comes_back(&Depot::file(), &fixtures::hard(Major::V18), &pieces);
}

#[test]
fn a_backup_in_several_objects_and_chunks_comes_back_from_s3() {
    // S3 takes no smaller parts.
    let pieces = Pieces { part_bytes: 5 << 20, parts_max: 3, chunk_bytes: 4 << 20 };
    comes_back(&Depot::s3(), &fixtures::noise(), &pieces);
}
