//! The moment in which a name goes from one database to another.
//!
//! Invariants: both names change in one transaction, and nothing is committed before it. Whatever is killed, whenever: the name is
//! one database's before, and the other's after. What belongs to the name goes over under the same lock, as it is then: nothing that
//! is changed in the last seconds is lost.

use std::pin::pin;
use std::time::Duration;

use lifeboat_core::{Error, Job, Kind, Result};
use serde::Deserialize;

use super::super::stand_in::StandIn;
use super::super::target::WAIT_FOR_DISK;
use super::follow::{LOCK_TIMEOUT, follow, is_changed_at_once};
use super::live::{Live, MAY_END, Refusals};
use super::lock::Lease;
use super::marker::Marker;
use super::not_given::NotGiven;
use crate::postgres::sqlstate::{LOCK_NOT_AVAILABLE, OBJECT_IN_USE};
use crate::postgres::{DirectSession, Session, quote_ident, quote_literal, rows, sqlstate_of};

/// Two databases, of which one has the name and the other one is to have it.
pub(super) struct Swap<'a> {
    pub(super) name: &'a str,
    /// The one that has it.
    pub(super) present: u32,
    /// What that is called afterwards, and what is said of it; its comment and the time are added.
    pub(super) aside: &'a str,
    pub(super) marker: Marker,
    /// The one that gets it.
    pub(super) coming: u32,
    /// What that is called before.
    pub(super) coming_name: &'a str,
}

/// Whose the name is after an error.
enum Holder {
    Coming,
    Present,
    /// A database that was not looked at, or none.
    SomebodyElse,
}

#[derive(Deserialize)]
struct Counted {
    ended: u64,
}

impl Swap<'_> {
    /// Gives the name over; how many sessions were ended for it. Not to be dropped half way.
    ///
    /// # Errors
    /// [`Kind::TryAgain`] when sessions come back faster than they are ended. Nothing has changed then.
    pub(super) async fn apply(&self, lease: &mut Lease, job: &Job) -> Result<u64, NotGiven> {
        let mut ender = lease.another(job).await?;
        lease.session.execute(WAIT_FOR_DISK).await?;
        let mut ended = 0;
        for attempt in 1.. {
            job.check()?;
            job.step(&format!("end the sessions and give the name {} over", self.name));
            match self.attempt(&mut lease.session, &mut ender, &mut ended, job).await {
                Ok(()) => break,
                Err(error) if may_pass(&error) && attempt < ATTEMPTS => {
                    job.warn(&format!("{}; trying again", error.chain()));
                    // Whoever had to wait for us may go on meanwhile.
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(error) if is_in_use(&error) => return Err(in_use(self.name, error).into()),
                Err(error) => {
                    self.found_out(lease, job, error).await?;
                    break;
                }
            }
        }
        ender.close().await;
        Ok(ended)
    }

    async fn attempt(
        &self,
        session: &mut DirectSession,
        ender: &mut DirectSession,
        ended: &mut u64,
        job: &Job,
    ) -> Result<()> {
        let mut renaming = pin!(self.rename(session));
        tokio::select! {
            renamed = &mut renaming => return renamed,
            Err(error) = self.end_sessions(ender, ended) => job.warn(&format!("could not end the sessions: {}", error.chain())),
        }
        renaming.await
    }

    /// The first rename takes the lock under which nobody new connects, and waits until everybody is gone.
    async fn rename(&self, session: &mut DirectSession) -> Result<()> {
        let doing = || format!("give the name {} over", self.name);
        let renamed = self.rename_and_look(session).await;
        let ended = session.execute(if renamed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        renamed.and(ended).map_err(|error| error.while_doing(doing()))
    }

    async fn rename_and_look(&self, session: &mut DirectSession) -> Result<()> {
        session.execute(&self.renames().join(";\n")).await?;
        if !is_so(session, &self.holds()).await? {
            let doing = "find the databases that were looked at: somebody renamed one of them meanwhile";
            return Err(Error::new(Kind::Failure, doing).hint("look with `psql -l`, and run it again"));
        }
        self.look_again(session).await
    }

    fn renames(&self) -> Vec<String> {
        let (name, aside, coming) = (quote_ident(self.name), quote_ident(self.aside), quote_ident(self.coming_name));
        vec![
            "BEGIN".to_owned(),
            format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"),
            format!("ALTER DATABASE {name} RENAME TO {aside}"),
            format!("ALTER DATABASE {coming} RENAME TO {name}"),
        ]
    }

    /// Nobody is connected to either any more, and nobody can change them: what came in the meantime is seen now, or has to wait.
    async fn look_again(&self, session: &mut DirectSession) -> Result<()> {
        let Some(found) = Live::read_quickly(session, self.aside).await? else {
            return Err(Error::new(Kind::Failure, format!("find what {} is called now", self.name)));
        };
        let mut refusals = Refusals::default();
        found.refuse(self.name, &mut refusals);
        Refusals::check(&refusals.why, &refusals.hints, &format!("give the name {} over", self.name))?;
        let present = StandIn::of(session, self.aside, String::new()).await?;
        follow(session, self.name, &present).await?;
        let marker = Marker {
            replaced_at: Some(present.source.snapshot_at),
            comment: found.comment.clone(),
            ..self.marker.clone()
        };
        let comment = found.comment.as_deref().map_or_else(|| "NULL".to_owned(), quote_literal);
        let say = |name: &str, comment: &str| format!("COMMENT ON DATABASE {} IS {comment}", quote_ident(name));
        let (aside, name) = (say(self.aside, &quote_literal(&marker.to_text())), say(self.name, &comment));
        session.execute(&format!("{aside};\n{name}")).await
    }

    /// Whether the names are as they are to be.
    fn holds(&self) -> String {
        format!("{} AND {}", is_called(self.coming, self.name), is_called(self.present, self.aside))
    }

    /// Ends the sessions with both, over and over: some come back at once. Ends with an error only.
    async fn end_sessions(&self, ender: &mut DirectSession, ended: &mut u64) -> Result<()> {
        let query = END.replace("%MAY_END%", MAY_END).replace("%OIDS%", &format!("{}, {}", self.present, self.coming));
        loop {
            let found: Vec<Counted> = rows(ender, &query).await?;
            *ended += found.iter().map(|found| found.ended).sum::<u64>();
            tokio::time::sleep(END_EVERY).await;
        }
    }

    /// After an error that says nothing of how it ended, such as a lost connection within COMMIT, the server is asked: under the
    /// lock, for until that is free the transaction may still end either way.
    async fn found_out(&self, lease: &mut Lease, job: &Job, error: Error) -> Result<(), NotGiven> {
        match self.who_has_it(lease, job).await {
            Ok(Holder::Coming) => Ok(()),
            Ok(Holder::Present) => Err(NotGiven::AsItWas(error)),
            Ok(Holder::SomebodyElse) => {
                let doing = format!("find {}: it was dropped, or renamed, meanwhile", self.name);
                Err(NotGiven::Unclear(error.while_doing(doing).hint("look with `psql -l`")))
            }
            Err(again) => {
                let doing = format!("find out which database is called {}: {}", self.name, error.chain());
                Err(NotGiven::Unclear(again.while_doing(doing)))
            }
        }
    }

    async fn who_has_it(&self, lease: &mut Lease, job: &Job) -> Result<Holder> {
        lease.revive(job).await?;
        if is_so(&mut lease.session, &self.holds()).await? {
            return Ok(Holder::Coming);
        }
        let is_present = is_so(&mut lease.session, &is_called(self.present, self.name)).await?;
        Ok(if is_present { Holder::Present } else { Holder::SomebodyElse })
    }
}

async fn is_so(session: &mut DirectSession, condition: &str) -> Result<bool> {
    Ok(session.text(&format!("SELECT {condition}")).await?.as_deref() == Some("t"))
}

fn is_called(oid: u32, name: &str) -> String {
    format!("EXISTS (SELECT FROM pg_catalog.pg_database WHERE oid = {oid} AND datname = {})", quote_literal(name))
}

/// Whether the same may work in a moment: somebody changed one of them just when it was to be renamed.
fn may_pass(error: &Error) -> bool {
    is_in_use(error) || is_changed_at_once(error)
}

fn is_in_use(error: &Error) -> bool {
    matches!(sqlstate_of(error), Some(OBJECT_IN_USE | LOCK_NOT_AVAILABLE))
}

fn in_use(name: &str, error: Error) -> Error {
    Error::new(Kind::TryAgain, format!("give the name {name} over: sessions come back faster than they can be ended"))
        .hint("stop what connects, and run it again")
        .caused_by(error)
}

/// A session that is asked for again while it ends counts once more: good enough to tell.
const END: &str = "
SELECT count(pg_terminate_backend(a.pid)) AS ended
FROM pg_stat_activity a
WHERE a.datid IN (%OIDS%) AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid() AND %MAY_END%";
/// The rename itself waits five seconds for sessions to end.
const ATTEMPTS: u32 = 6;
const END_EVERY: Duration = Duration::from_millis(100);
const AGAIN_AFTER: Duration = Duration::from_millis(500);
