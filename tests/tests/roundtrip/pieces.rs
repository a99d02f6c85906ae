//! A backup of several objects and chunks, taken by the library with small limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, BackupSummary, Reach, Source, backup};
use lifeboat_core::index::{Content, Range};
use lifeboat_core::monitor::{Counter, Event, Monitor};
use lifeboat_core::store::{self, UploadOptions};
use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::stock::assert_psql_makes_it_of;
use lifeboat_tests::{Backup, Database, Depot, Major, NAME, Way, every_way, fixtures};
use serde_json::Value;
use tempfile::TempDir;

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

fn in_pieces(way: Way, depot: &Depot, database: &Database<'_>, pieces: &Pieces) -> BackupSummary {
    let state = TempDir::new().unwrap();
    let environment: BTreeMap<_, _> =
        depot.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let store = store::create(&depot.url.parse().unwrap(), &environment).unwrap();
    let settings = ConnectionSettings::parse(&database.dsn(), &|_: &str| None).unwrap();
    let tools_dir = Some(database.server.installation.bin.clone());
    let reach = Reach::Direct { settings: Box::new(settings), tools_dir };
    let source = Source::new(NAME.parse().unwrap(), reach);
    let Pieces { part_bytes, parts_max, chunk_bytes } = *pieces;
    let upload = UploadOptions { part_bytes, parts_max, ..UploadOptions::default() };
    let options = BackupOptions {
        upload,
        chunk_bytes,
        method: way.choice(),
        seal: way.seal(),
        ..BackupOptions::new(state.path())
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = Arc::new(Rows::default());
    let summary = runtime.block_on(backup(&source, &store, &options, told.clone())).unwrap();
    assert_eq!(told.0.load(Ordering::Relaxed), summary.rows);
    summary
}

fn comes_back(way: Way, depot: &Depot, original: &Database<'_>, pieces: &Pieces) {
    let summary = in_pieces(way, depot, original, pieces);
    assert!(summary.manifest.script.len() >= 3, "{} objects", summary.manifest.script.len());

    let backup = Backup { id: summary.id.to_string(), result: Value::Null };
    let index = depot.index(&backup);
    let pieces_of = |relation| index.ranges.iter().filter(move |range| holds_rows_of(range, relation)).count();
    assert!((0..index.relations.len()).map(pieces_of).max() >= Some(7), "a large table is cut into chunks");

    let created = depot.restore(original.server, &[]);
    assert_same(original, &created);
    let empty = original.server.database("empty");
    depot.restore_command(original.server, &empty.name).args(["--jobs", "4"]).run().expect(0);
    assert_same_but_settings(original, &empty);

    assert_psql_makes_it_of(&depot.script_by_hand(&backup), original);
}

fn holds_rows_of(range: &Range, relation: usize) -> bool {
    matches!(&range.content, Content::Rows(rows) if rows.relation == relation)
}

every_way!(
    a_backup_in_many_objects_and_chunks_comes_back_from_a_folder,
    a_backup_in_several_objects_and_chunks_comes_back_from_s3,
);

fn a_backup_in_many_objects_and_chunks_comes_back_from_a_folder(way: Way) {
    let pieces = Pieces { part_bytes: 128 << 10, parts_max: 5, chunk_bytes: 64 << 10 };
    comes_back(way, &Depot::file().by(way), &fixtures::hard(Major::V18), &pieces);
}

fn a_backup_in_several_objects_and_chunks_comes_back_from_s3(way: Way) {
    // S3 takes no smaller parts.
    let pieces = Pieces { part_bytes: 5 << 20, parts_max: 3, chunk_bytes: 4 << 20 };
    comes_back(way, &Depot::s3().by(way), &fixtures::noise(), &pieces);
}
