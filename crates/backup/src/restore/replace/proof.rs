//! Proves a restored database before it takes another one's place: every row is printed again, and compared with the
//! fingerprint that was taken while it was dumped.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use lifeboat_core::codec::Fingerprint;
use lifeboat_core::index::Relation;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::units::{count, counted};
use lifeboat_core::{Error, Job, Kind, Result};

use super::super::RestoreOptions;
use crate::archive::Archive;
use crate::postgres::sqlstate::INSUFFICIENT_PRIVILEGE;
use crate::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Retry, Session as _, connect, sqlstate_of};
use crate::restore::row_encoding;
use crate::rows::{Chunk, PlanOptions, Printed, copy_of, plan, printed, read_rows, reads_page_ranges, set_up};

/// What the workers share.
struct Shared<'a> {
    tables: Vec<Printed>,
    chunks: Mutex<VecDeque<Chunk>>,
    encoding: String,
    set_up: String,
    retry: &'a Retry,
    job: &'a Job,
}

/// Why the rows of a backup cannot be proven, where that is so: of others' programs the index knows what came by COPY.
pub(super) fn without_proof(archive: &Archive) -> Option<&'static str> {
    archive.manifest.imported.as_ref()?;
    let index = &archive.index;
    (index.inserts || index.relations.is_empty()).then_some(
        "its rows come as INSERT, or it has none: there are no fingerprints, and nobody can prove that all of them are there",
    )
}

/// Compares every table of `target` with the index, over as many sessions as it was restored by. In words, what differs.
///
/// # Errors
/// Those of reading, which say nothing of the rows: of an object of the store that is damaged, too.
pub(super) async fn prove(
    store: &Store,
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<Vec<String>> {
    if let Some(why) = without_proof(archive) {
        job.warn(&format!("{} is not proven: {why}", archive.path));
    }
    let relations = &archive.index.relations;
    let (rows, tables) = (counted(archive.index.rows(), "row"), counted(relations.len() as u64, "table"));
    job.step(&format!("compare {rows} of {tables} with their fingerprints"));
    job.expect(Counter::Rows, archive.index.rows());
    let encoding = row_encoding(store, archive, job).await?;
    let mut session = open(target, &options.connect_retry, job).await?;
    let tables = printed(&mut session, relations).await?;
    let by_pages = reads_page_ranges(session.server().version_num / 10_000);
    session.close().await;
    let extents: Vec<_> = tables.iter().map(Printed::extent).collect();
    let chunks = plan(&extents, PlanOptions { workers: options.jobs.max(1), chunk_bytes: CHUNK_BYTES, by_pages });
    let workers = options.jobs.clamp(1, chunks.len().max(1));
    let shared = Shared {
        tables,
        chunks: Mutex::new(chunks.into()),
        encoding,
        set_up: set_up(archive),
        retry: &options.connect_retry,
        job,
    };
    let read = try_join_all((0..workers).map(|_| work(&shared, target))).await?;
    Ok(judge(relations, read.into_iter().flatten(), archive.manifest.imported.is_some(), job))
}

/// The error of a database in which something differs.
pub(super) fn refuted(differ: &[String]) -> Error {
    let doing = format!("find in the restored database what was dumped: {}", differ.join("; "));
    Error::new(Kind::Integrity, doing).hint("drill the backup (lifeboat drill run) to see what changes its rows")
}

/// Reads chunks until there are none: each with the position of its relation.
async fn work(shared: &Shared<'_>, target: &ConnectionSettings) -> Result<Vec<(usize, Fingerprint)>> {
    let mut session = open(target, shared.retry, shared.job).await?;
    session.execute(&shared.set_up).await?;
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut read = Vec::new();
    while let Some(chunk) = shared.next() {
        let table = &shared.tables[chunk.table];
        let rows = read_rows(&mut session, &copy_of(table, &chunk, &shared.encoding), shared.job).await;
        let doing = || format!("compare {}.{}", table.schema, table.name);
        read.push((table.relation, rows.map_err(|error| with_reading_hint(error.while_doing(doing())))?));
    }
    session.close().await;
    Ok(read)
}

/// Whoever restored the rows may read them, unless policies hide them from their very owner.
fn with_reading_hint(error: Error) -> Error {
    if sqlstate_of(&error) == Some(INSUFFICIENT_PRIVILEGE) { error.hint(READING) } else { error }
}

impl Shared<'_> {
    fn next(&self) -> Option<Chunk> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

async fn open(target: &ConnectionSettings, retry: &Retry, job: &Job) -> Result<DirectSession> {
    let how = ConnectOptions { retry: retry.clone(), cancel: job.cancel.clone() };
    connect(target, "replace", &how, &*job.monitor).await
}

/// Rows that were printed by others, under settings that nobody recorded, may read otherwise and be the same: they are counted.
fn judge(
    relations: &[Relation],
    read: impl Iterator<Item = (usize, Fingerprint)>,
    by_others: bool,
    job: &Job,
) -> Vec<String> {
    let mut found = vec![None; relations.len()];
    for (relation, rows) in read {
        *found[relation].get_or_insert_with(Fingerprint::default) += rows;
    }
    let (mut differ, mut counted_only) = (Vec::new(), 0);
    for (relation, found) in relations.iter().zip(found) {
        let dumped = relation.fingerprint;
        match found {
            Some(found) if found == dumped => {}
            Some(found) if by_others && found.rows == dumped.rows => counted_only += 1,
            found => differ.push(describe(relation, found)),
        }
    }
    if counted_only > 0 {
        let tables = counted(counted_only, "table");
        job.warn(&format!(
            "of {tables} only the rows were counted: another program printed them, under unknown settings"
        ));
    }
    differ
}

fn describe(relation: &Relation, found: Option<Fingerprint>) -> String {
    let (name, dumped) = (format!("{}.{}", relation.schema, relation.name), counted(relation.fingerprint.rows, "row"));
    match found {
        None => format!("{name} is missing"),
        Some(found) if found.rows == relation.fingerprint.rows => format!("{name} has {dumped}, but not the same"),
        Some(found) => format!("{name} has {} instead of {dumped}", count(found.rows)),
    }
}

const READING: &str = "connect as a superuser, or as a role with BYPASSRLS (as a superuser: ALTER ROLE … BYPASSRLS) that may read every \
                       table: the same command goes on";
/// As in a dump: ranges that take a few seconds each.
const CHUNK_BYTES: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lifeboat_core::Job;
    use lifeboat_core::codec::Fingerprint;
    use lifeboat_core::index::Relation;
    use lifeboat_core::monitor::Silent;
    use tokio_util::sync::CancellationToken;

    use super::judge;

    fn of(lines: &[&str]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        lines.iter().for_each(|line| fingerprint.add_line(line.as_bytes()));
        fingerprint
    }

    fn relation(name: &str, fingerprint: Fingerprint) -> Relation {
        Relation {
            oid: None,
            schema: "public".into(),
            name: name.into(),
            kind: None,
            columns: vec!["x".into()],
            condition: None,
            fingerprint,
        }
    }

    #[test]
    fn chunks_add_up_and_every_difference_is_named() {
        let job = Job::new(Arc::new(Silent), CancellationToken::new());
        let relations = [relation("a", of(&["1", "2", "3"])), relation("b", of(&["1"])), relation("c", of(&[]))];
        let whole = [(0, of(&["3"])), (1, of(&["1"])), (0, of(&["2", "1"])), (2, of(&[]))];
        let none = Vec::<String>::new();
        assert_eq!(judge(&relations, whole.into_iter(), false, &job), none);
        assert_eq!(
            judge(&relations, [(0, of(&["1", "2"])), (1, of(&["4"]))].into_iter(), false, &job),
            ["public.a has 2 instead of 3 rows", "public.b has 1 row, but not the same", "public.c is missing"]
        );
        let retold = [(0, of(&["1", "2", "4"])), (1, of(&["4"])), (2, of(&[]))];
        assert_eq!(judge(&relations, retold.into_iter(), true, &job), none);
    }
}
