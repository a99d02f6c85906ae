//! Where a backup is restored for a drill: a throwaway cluster, a database of its own on a server that is not production, or
//! what a command of the operator's gives.
//!
//! Invariants: everything that is made bears a lease first; what a live drill holds is never removed; what a dead one left
//! is removed by whoever comes next.

mod account;
mod cluster;
mod command;
mod disarm;
mod guards;
pub mod installation;
mod lease;
mod machine;
mod names;
mod needs;
mod processes;
mod server;
mod shared_memory;
mod spawner;

use std::path::Path;

pub use cluster::{Cluster, ClusterOptions};
pub use command::CommandOptions;
pub use disarm::{Disarmed, disarm};
use lifeboat_backup::MissingRoles;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{DrillId, Error, Job, Kind, Result, ResultExt};
pub use needs::Needs;
pub(crate) use processes::MARK;
use serde::Serialize;
pub use server::ServerOptions;
pub(crate) use spawner::Spawner;
use tokio_util::sync::CancellationToken;

use crate::report::ScratchFacts;

/// Where a drill restores.
#[derive(Clone, Debug)]
pub enum ScratchOptions {
    /// Into a throwaway cluster of this machine.
    Cluster(ClusterOptions),
    /// Into a database of its own on a server that is not production.
    Server(Box<ServerOptions>),
    /// Into what a command gives.
    Command(CommandOptions),
}

/// A place to restore into, ours until it is closed. Close it: dropping a cluster or a command ends it as well, but a
/// database on a server is then left to the next drill.
#[derive(Debug)]
pub struct Scratch {
    place: Place,
    target: ConnectionSettings,
    roles: MissingRoles,
    facts: ScratchFacts,
}

#[derive(Debug)]
enum Place {
    Cluster(Cluster),
    Server(Box<server::Scratch>),
    Command(command::Scratch),
}

/// What [`gc`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// What dead drills had left, and is gone.
    pub removed: Vec<String>,
    /// Drills that live; nothing of theirs was touched.
    pub alive: Vec<DrillId>,
    /// What could not be removed, and why.
    pub left: Vec<String>,
    /// Drills that were killed on this machine: [`crate::end_killed`] records that.
    pub killed: Vec<DrillId>,
}

impl Scratch {
    /// Removes what dead drills left, and makes a place for `drill` that fits `needs`.
    ///
    /// # Errors
    /// None of them says anything about the backup. [`Kind::Tool`] when no server of its version or a later one is
    /// installed; [`Kind::Policy`] when the place is production, or not empty; [`Kind::Failure`] when the disk is too small;
    /// [`Kind::Database`] when the server cannot be used; [`Kind::Config`]; [`Kind::Cancelled`].
    pub async fn open(options: &ScratchOptions, needs: &Needs, drill: &DrillId, job: &Job) -> Result<Self> {
        tidy(options, needs, job).await?;
        Self::make(options, needs, drill, job).await
    }

    /// As [`Scratch::open`], when what dead drills left is gone.
    pub(crate) async fn make(options: &ScratchOptions, needs: &Needs, drill: &DrillId, job: &Job) -> Result<Self> {
        job.run(Box::pin(Self::made(options, needs, drill, job))).await
    }

    async fn made(options: &ScratchOptions, needs: &Needs, drill: &DrillId, job: &Job) -> Result<Self> {
        Ok(match options {
            ScratchOptions::Cluster(options) => {
                let cluster = Cluster::start(options, needs, drill, job).await?;
                let target = cluster.settings().with_dbname(&needs.own_name(drill));
                let roles = if needs.has_roles { MissingRoles::Create } else { MissingRoles::Stub };
                Self { facts: cluster.facts(needs), target, roles, place: Place::Cluster(cluster) }
            }
            ScratchOptions::Server(options) => {
                let (place, facts) = server::Scratch::open(options, needs, drill, job).await?;
                // Roles are the server's: they would be left behind.
                let roles = MissingRoles::Skip;
                Self { target: place.target().clone(), roles, facts, place: Place::Server(Box::new(place)) }
            }
            ScratchOptions::Command(options) => {
                let (place, facts) = command::Scratch::open(options, needs, drill, job).await?;
                let roles = place.roles();
                Self { target: place.target().clone(), roles, facts, place: Place::Command(place) }
            }
        })
    }

    /// The database to restore into.
    #[must_use]
    pub fn target(&self) -> &ConnectionSettings {
        &self.target
    }

    /// Whether the restore creates that database; where not, it is there and empty.
    #[must_use]
    pub fn creates(&self) -> bool {
        !matches!(self.place, Place::Command(_))
    }

    /// What the restore does about roles that are missing.
    #[must_use]
    pub fn roles(&self) -> MissingRoles {
        self.roles
    }

    /// Whether the server was made for the drill alone.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// Whether its server goes with it.
    #[must_use]
    pub fn server_goes(&self) -> bool {
        !matches!(self.place, Place::Server(_))
    }

    /// The drill's folder: what is started with a variable of ours set to it ends with the drill, or when the drill is collected.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Cluster(cluster) => cluster.lease_folder(),
            Place::Server(server) => server.folder(),
            Place::Command(command) => command.folder(),
        }
    }

    /// Waits until the place is not ours any more, so that anybody may remove it, and says how that came.
    pub async fn lost(&self) -> Error {
        match &self.place {
            Place::Server(server) => server.lost().await,
            Place::Cluster(_) | Place::Command(_) => std::future::pending().await,
        }
    }

    /// What a report says of it.
    #[must_use]
    pub fn facts(&self) -> ScratchFacts {
        self.facts.clone()
    }

    /// Removes it, also when the job is cancelled.
    ///
    /// # Errors
    /// With what stays and why; the next drill, and [`gc`], try again.
    pub async fn close(self, job: &Job) -> Result<()> {
        let job = Job::new(job.monitor.clone(), CancellationToken::new());
        job.step("remove the scratch database");
        match self.place {
            Place::Cluster(cluster) => cluster.close().await,
            Place::Server(server) => server.close(&job).await,
            Place::Command(command) => command.close().await,
        }
    }
}

/// Removes what drills have left that did not end: processes, folders, databases. What belongs to a live drill is left
/// alone; so is whatever is not a drill's.
///
/// # Errors
/// When the place cannot be looked at; what cannot be removed is in the answer.
pub async fn gc(options: &ScratchOptions, job: &Job) -> Result<Collected> {
    collect(options, &Needs::default(), job).await
}

/// As [`gc`]; a server that `needs` tells to be production is not touched.
async fn collect(options: &ScratchOptions, needs: &Needs, job: &Job) -> Result<Collected> {
    match options {
        ScratchOptions::Cluster(options) => collect_folders(&options.dir).await,
        ScratchOptions::Command(options) => collect_folders(&options.dir).await,
        ScratchOptions::Server(options) => {
            let programs = collect_folders(&options.dir).await?;
            let databases = job.run(Box::pin(server::collect(options, needs, &programs.alive, job))).await?;
            Ok(programs.and(databases))
        }
    }
}

/// Removes what dead drills left, and tells who they were. An earlier drill's leftovers are no reason not to begin.
pub(crate) async fn tidy(options: &ScratchOptions, needs: &Needs, job: &Job) -> Result<Vec<DrillId>> {
    match collect(options, needs, job).await {
        Err(error) if matches!(error.kind(), Kind::Cancelled | Kind::Policy) => return Err(error),
        Err(error) => job.warn(&format!("could not look for what earlier drills left: {}", error.chain())),
        Ok(found) => {
            for removed in found.removed {
                job.warn(&format!("an earlier drill did not end: removed {removed}"));
            }
            for left in found.left {
                job.warn(&format!("could not remove what an earlier drill left: {left}"));
            }
            return Ok(found.killed);
        }
    }
    Ok(Vec::new())
}

impl Collected {
    /// Both; a drill that lives in two places is one.
    fn and(mut self, other: Self) -> Self {
        self.removed.extend(other.removed);
        self.left.extend(other.left);
        self.killed.extend(other.killed);
        self.alive.extend(other.alive);
        self.alive.sort();
        self.alive.dedup();
        self
    }
}

async fn collect_folders(dir: &Path) -> Result<Collected> {
    let dir = dir.to_owned();
    let collected = tokio::task::spawn_blocking(move || collect_below(&dir)).await;
    collected.kind_of(Kind::Failure, || "look for what earlier drills left".into())?
}

fn collect_below(dir: &Path) -> Result<Collected> {
    let found = lease::find(dir)?;
    let unclear = found.unclear.into_iter().map(|(folder, why)| format!("{}: {why}", folder.display()));
    let mut collected = Collected { alive: found.alive, left: unclear.collect(), ..Collected::default() };
    for lease in found.abandoned {
        let folder = lease.folder().display().to_string();
        collected.killed.extend(lease.killed().cloned());
        match lease.remove() {
            Ok(()) => collected.removed.push(folder),
            Err(error) => collected.left.push(error.chain()),
        }
    }
    Ok(collected)
}

/// The error of a place that a drill must not touch.
fn refused(target: &str, why: &str) -> Error {
    Error::new(Kind::Policy, format!("drill in {target}: {why}"))
}
