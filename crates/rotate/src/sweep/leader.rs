//! The session that leads a run: it looks, holds the lock that admits one run at a time, and keeps the book.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_backup::postgres::{ConnectionSettings, DirectSession, Session as _};
use lifeboat_core::{Error, Job, Kind, Result};

use super::binding::refuse_unbinding;
use super::book::{self, Entry};
use super::catalog::{self, Swept};
use super::claim::{Claim, refuse_lost};
use super::errand::Errand;
use super::options::{Mode, SweepOptions};
use super::overlap::refuse_overlap;
use super::pace::rest;
use super::plan::Sampled;
use super::schema;
use super::session::open_to_lead;
use super::status::Direction;
use super::under_way::fits;

/// The session that leads a run.
pub(super) struct Leader {
    settings: ConnectionSettings,
    options: SweepOptions,
    job: Job,
    /// None: lent, or lost.
    session: Option<DirectSession>,
    /// How many sessions were opened in place of lost ones.
    losses: u32,
    leads: bool,
    /// The rotations that this run writes for.
    claims: Vec<Claim>,
}

impl Leader {
    pub(super) async fn open(settings: &ConnectionSettings, options: &SweepOptions, job: &Job) -> Result<Self> {
        let session = Some(job.run(Box::pin(open_to_lead(settings, &options.limits, job))).await?);
        Ok(Self {
            settings: settings.clone(),
            options: options.clone(),
            job: job.clone(),
            session,
            losses: 0,
            leads: false,
            claims: Vec::new(),
        })
    }

    pub(super) fn session(&mut self) -> Result<&mut DirectSession> {
        self.session.as_mut().ok_or_else(|| Error::new(Kind::Database, "use a session that was lost"))
    }

    /// A session that is alive: a run may be long, and the leader has nothing to say for most of it.
    pub(super) async fn alive(&mut self) -> Result<&mut DirectSession> {
        // The lock goes with the connection: another run may have been there meanwhile.
        let lost = match &mut self.session {
            Some(session) => match refuse_lost(session, &self.claims).await {
                Err(error) if error.kind() == Kind::Locked => return Err(error),
                asked => asked.is_err(),
            },
            None => true,
        };
        if lost {
            let opened = open_to_lead(&self.settings, &self.options.limits, &self.job);
            self.session = Some(self.job.run(Box::pin(opened)).await?);
            self.losses += 1;
            if self.leads {
                self.lock().await?;
                let claims = self.claims.clone();
                refuse_lost(self.session()?, &claims).await?;
            }
        }
        self.session()
    }

    /// From here on the run writes for this rotation, and fails when somebody else has ended it or turned it round.
    pub(super) fn claim(&mut self, rotation: i64, direction: Direction) {
        self.let_go(rotation);
        self.claims.push(Claim { rotation, direction });
    }

    /// The run has ended it itself.
    pub(super) fn let_go(&mut self, rotation: i64) {
        self.claims.retain(|claim| claim.rotation != rotation);
    }

    /// How often the session was lost so far. As long as it is not, the server has not crashed.
    pub(super) fn losses(&self) -> u32 {
        self.losses
    }

    /// Tries both keys on a sample.
    pub(super) async fn sample(&mut self, errand: &Errand<'_>) -> Result<Sampled> {
        let session = self.lend()?;
        let (sampled, session) = errand.sample(session, &self.options, &self.job).await?;
        self.give_back(session);
        Ok(sampled)
    }

    /// The only run from here on, with a book to write in.
    pub(super) async fn take_over(&mut self) -> Result<()> {
        self.lock().await?;
        self.leads = true;
        schema::ensure(self.session()?).await
    }

    /// A run that was killed is the server's for a moment longer.
    async fn lock(&mut self) -> Result<()> {
        let began = Instant::now();
        let patience = self.options.limits.runner;
        while !schema::lock(self.session()?).await? {
            if began.elapsed() >= patience {
                return Err(Error::new(Kind::Locked, "be the only one that rotates columns of this database")
                    .hint("another run is at work; pg_stat_activity shows it, with application_name = lifeboat/rotate. When its host is gone, the server notices late: SELECT pg_terminate_backend(pid) ends it"));
            }
            rest(&self.job, Duration::from_millis(100)).await?;
        }
        Ok(())
    }

    /// The open rotation of every target, where there is one.
    pub(super) async fn begun(&mut self, errands: &[Errand<'_>]) -> Result<Vec<Option<Entry>>> {
        let session = self.session()?;
        if !schema::exists(session).await? {
            return Ok(errands.iter().map(|_| None).collect());
        }
        let mut found = Vec::new();
        for errand in errands {
            found.push(book::open_entry(session, errand.target).await?);
        }
        Ok(found)
    }

    /// The open rotation of every target, begun where there is none. Nothing is begun unless all of them fit.
    pub(super) async fn entries(&mut self, errands: &[Errand<'_>], mode: Mode) -> Result<Vec<(Entry, bool)>> {
        refuse_overlap(self.session()?, errands).await?;
        let declared = self.options.declared.clone();
        refuse_unbinding(self.session()?, errands, &declared).await?;
        let found = self.begun(errands).await?;
        for (errand, entry) in errands.iter().zip(&found) {
            entry.iter().try_for_each(|entry| fits(entry, errand, mode, Direction::Forward))?;
        }
        let session = self.session()?;
        let mut entries = Vec::new();
        // All of them, or none: what is begun together is rolled back together.
        session.execute("BEGIN").await?;
        for (errand, entry) in errands.iter().zip(found) {
            entries.push(match entry {
                Some(entry) => (entry, true),
                None => (book::begin(session, errand, mode).await?, false),
            });
        }
        session.execute("COMMIT").await?;
        entries.iter().for_each(|(entry, _)| self.claim(entry.id, Direction::Forward));
        Ok(entries)
    }

    /// The tables of a target as they are now: they grow, and are written anew by others.
    pub(super) async fn relations(&mut self, errand: &Errand<'_>) -> Result<Vec<Arc<Swept>>> {
        let options = self.options.clone();
        let found = catalog::find(self.session()?, errand.target, &options).await?;
        Ok(found.relations.into_iter().map(Arc::new).collect())
    }

    /// Lets go of a session that may be lost, or in a transaction that is.
    pub(super) fn forget(&mut self) {
        self.session = None;
    }

    /// Lends the session, for work in one transaction.
    pub(super) fn lend(&mut self) -> Result<DirectSession> {
        self.session.take().ok_or_else(|| Error::new(Kind::Database, "use a session that was lost"))
    }

    /// Takes it back.
    pub(super) fn give_back(&mut self, session: DirectSession) {
        self.session = Some(session);
    }

    pub(super) async fn close(mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}
