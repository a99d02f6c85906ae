//! Runs a whole script: definitions, rows with what is built on them, and the rest in its order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Result, counted};

use super::analyze::{Early, analyze};
use super::crew::{Does, work_off};
use super::extensions::{self, OfExtensions};
use super::inert;
use super::jobs::{Tables, Work};
use super::rows::Loader;
use super::sections::Sections;
use super::settings::Settings;
use super::sql::{Header, Sql};
use super::standing::{self, Standing};
use super::worker::Worker;
use crate::archive::Archive;
use crate::archive::span::spans;
use crate::postgres::sqlstate::{
    DEADLOCK_DETECTED, INVALID_FOREIGN_KEY, UNDEFINED_COLUMN, UNDEFINED_FUNCTION, UNDEFINED_OBJECT, UNDEFINED_TABLE,
};
use crate::postgres::sqlstate_of;
use crate::script::{Built, OnRows};

/// What is run, and what is to be told of it.
pub(super) struct Script<'a> {
    /// What sessions are told first.
    pub(super) header: Header,
    /// All of it, by when it is run.
    pub(super) sections: Sections<'a>,
    /// The encoding of its statements; rows are in the header's.
    pub(super) encoding: String,
    /// Rows that are loaded.
    pub(super) rows: u64,
    /// Their tables.
    pub(super) tables: usize,
    /// SQL bytes, statements and rows together.
    pub(super) sql_bytes: u64,
}

impl<'a> Script<'a> {
    /// The whole script of an archive.
    pub(super) async fn whole(store: &Store, archive: &'a Archive, job: &Job) -> Result<Self> {
        let index = &archive.index;
        let header = Header::read(store, archive, job).await?;
        Ok(Self {
            encoding: header.encoding().to_owned(),
            header,
            sections: Sections::of(index),
            rows: index.rows(),
            tables: index.relations.len(),
            sql_bytes: index.script_bytes,
        })
    }
}

/// Runs the script. `workers` begins with one session; further ones are added when there are rows to load.
pub(super) async fn run(
    script: &Script<'_>,
    loader: &mut Loader<'_>,
    sql: &Sql<'_>,
    workers: &mut Vec<Worker>,
    sessions: usize,
    job: &Job,
) -> Result<()> {
    let (index, sections) = (&sql.archive.index, &script.sections);
    job.step("restore definitions");
    job.count(lifeboat_core::monitor::Counter::SqlBytes, sections.unneeded_bytes);
    let mut settings = Arc::clone(&script.header.settings);
    let Some(first) = workers.first_mut() else { return Ok(()) };
    first.tell(&settings).await?;
    sql.run(first, &sections.definitions, &mut settings).await?;
    if sql.inert.is_some() {
        inert::stop_workers(&mut first.session, job).await?;
    }
    // A setting may name a text search configuration of the database's own, which is there only now.
    loader.target.in_force.make(&mut first.session).await?;
    let standing = standing::read(sql, &sections.on_rows, Arc::clone(&settings)).await?;
    loader.find_frozen(&mut first.session).await?;
    let of_extensions = OfExtensions::find(&mut first.session, index).await?;

    let told = (counted(script.rows, "row"), counted(script.tables as u64, "table"));
    job.step(&format!("load {} of {} and build indexes", told.0, told.1));
    let mut tables = Tables::of(index);
    let early = Early::find(&mut first.session, index).await?;
    let (rows_first, rows) = of_extensions.first(&sections.rows);
    loader.taking = of_extensions.taking;
    first.tell(&settings).await?;
    for span in spans(rows_first, |_, _| false) {
        loader.load(&mut first.session, &span).await?;
    }
    let (jobs, rest) = tables.first_phase(&rows, sections.values.sql_bytes(), &standing, early.tables());
    while workers.len() < sessions.min(jobs.len()) {
        workers.push(Worker::open(loader.target, "rows", sessions, job).await?);
    }
    let later = Later::default();
    let filling = Filling { loader, sql, sections, standing: &standing, settings, early: &early, later };
    work_off(workers, jobs, &filling).await?;

    job.step("restore what else stands on rows");
    let mut rest: BTreeSet<_> = rest.into_iter().collect();
    rest.extend(filling.later.take());
    for run in runs(&rest, &standing) {
        let keys = Keys { sql, standing: &standing, later: Later::default() };
        let jobs = run.iter().filter_map(|place| Some(tables.foreign_key_job(*place, foreign_key(&standing[*place])?)));
        let jobs: Vec<_> = jobs.collect();
        let in_order = if jobs.len() > 1 {
            work_off(workers, jobs, &keys).await?;
            keys.later.take()
        } else {
            run
        };
        for place in in_order {
            standing[place].run(sql, &mut workers[0]).await?;
        }
    }
    analyze(workers, &early, job).await?;
    let Some(first) = workers.first_mut() else { return Ok(()) };
    // The end of a restore starts the workers that a drill does without.
    if extensions::end(&mut first.session, job).await? && sql.inert.is_some() {
        inert::stop_workers(&mut first.session, job).await?;
    }
    Ok(())
}

/// Places cut into runs: foreign keys that follow each other are one, every other statement is one by itself.
fn runs(places: &BTreeSet<usize>, standing: &[Standing]) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for place in places {
        let is_key = |place: usize| foreign_key(&standing[place]).is_some();
        match runs.last_mut() {
            Some(run) if is_key(run[0]) && is_key(*place) => run.push(*place),
            _ => runs.push(vec![*place]),
        }
    }
    runs
}

fn foreign_key(standing: &Standing) -> Option<&OnRows> {
    standing.on_rows.as_ref().filter(|on_rows| matches!(on_rows.what, Built::ForeignKey(_)))
}

/// Loads rows and builds on them.
struct Filling<'a> {
    loader: &'a Loader<'a>,
    sql: &'a Sql<'a>,
    sections: &'a Sections<'a>,
    standing: &'a [Standing],
    settings: Arc<Settings>,
    early: &'a Early,
    later: Later,
}

impl<'a> Does<Work<'a>> for Filling<'_> {
    async fn work(&self, worker: &mut Worker, what: Work<'a>) -> Result<()> {
        match what {
            Work::Rows(span) => {
                worker.tell(&self.settings).await?;
                self.loader.load(&mut worker.session, &span).await
            }
            Work::Values => self.sql.run(worker, &self.sections.values, &mut Arc::clone(&self.settings)).await,
            Work::Build(place) => self.later.unless_done(place, self.standing[place].run(self.sql, worker).await),
            Work::Analyze(table) => self.early.analyze(table, worker).await,
        }
    }
}

/// Adds foreign keys.
struct Keys<'a> {
    sql: &'a Sql<'a>,
    standing: &'a [Standing],
    later: Later,
}

impl Does<usize> for Keys<'_> {
    async fn work(&self, worker: &mut Worker, place: usize) -> Result<()> {
        self.later.unless_done(place, self.standing[place].run(self.sql, worker).await)
    }
}

/// Statements that ran before their place in the script and were too early there: they run again at their place.
#[derive(Default)]
struct Later(Mutex<Vec<usize>>);

impl Later {
    /// An error only when the statement would fail at its place too.
    fn unless_done(&self, place: usize, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if is_too_early(&error) => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place);
                Ok(())
            }
            other => other,
        }
    }

    fn take(&self) -> Vec<usize> {
        let mut places = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        places.sort_unstable();
        places
    }
}

/// Whether it failed for want of something that may come before it in the script, or because of what ran beside it.
fn is_too_early(error: &Error) -> bool {
    sqlstate_of(error).is_some_and(|sqlstate| TOO_EARLY.contains(&sqlstate))
}

/// A foreign key is invalid while what it refers to is not unique yet.
const TOO_EARLY: &[&str] =
    &[UNDEFINED_FUNCTION, UNDEFINED_TABLE, UNDEFINED_OBJECT, UNDEFINED_COLUMN, INVALID_FOREIGN_KEY, DEADLOCK_DETECTED];
