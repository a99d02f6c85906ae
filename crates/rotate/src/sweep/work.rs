//! What the workers of one target share.

use std::sync::Arc;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::Job;

use super::accept::AcceptList;
use super::catalog::Swept;
use super::options::{Limits, SweepOptions};
use super::pace::Pace;
use super::sql;
use super::target::{TableName, Target};
use crate::Keyring;
use crate::columns::Aad;

/// What is done with each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// It is written under the primary key, in the pass of this rotation.
    Rewrite {
        /// The rotation in the book.
        rotation: i64,
        /// Where workers write down how far they are. Not within one transaction: it is as good as its end.
        checkpoints: bool,
    },
    /// It is kept beside the table, with what it becomes.
    Prepare {
        /// The rotation in the book.
        rotation: i64,
    },
    /// It is opened by any key.
    Try,
    /// It is opened by the primary key.
    Prove,
}

/// What the workers of one target share.
pub(super) struct Work {
    pub(super) settings: ConnectionSettings,
    pub(super) limits: Limits,
    pub(super) job: Job,
    pub(super) table: TableName,
    pub(super) keyring: Keyring,
    pub(super) aad: Aad,
    pub(super) aim: Aim,
    pub(super) snapshot: Option<String>,
    pub(super) accept: AcceptList,
    pub(super) failures_named: usize,
    pub(super) jobs: usize,
    pub(super) pace: Pace,
}

impl Work {
    pub(super) fn new(
        settings: &ConnectionSettings,
        target: &Target,
        keyring: Keyring,
        aim: Aim,
        options: &SweepOptions,
        job: &Job,
    ) -> Arc<Self> {
        Arc::new(Self::made(settings, target, keyring, aim, options, job))
    }

    /// As [`Work::new`], with something still to be set.
    pub(super) fn made(
        settings: &ConnectionSettings,
        target: &Target,
        keyring: Keyring,
        aim: Aim,
        options: &SweepOptions,
        job: &Job,
    ) -> Self {
        let slow = keyring.layout().has_salt();
        Self {
            settings: settings.clone(),
            limits: options.limits.clone(),
            job: job.clone(),
            table: target.table.clone(),
            aad: target.aad.of(&target.table.schema, &target.table.name, &target.column_name()),
            keyring,
            aim,
            snapshot: None,
            accept: options.accept.clone(),
            failures_named: options.failures_named,
            jobs: jobs(options),
            pace: Pace::new(options, slow),
        }
    }
}

impl Work {
    /// A further condition on the rows that are read.
    pub(super) fn only(&self, swept: &Swept) -> Option<String> {
        match self.aim {
            Aim::Prepare { rotation } => Some(sql::not_prepared(swept, rotation)),
            _ => None,
        }
    }

    /// Whether a failed batch can be repeated: not in one transaction, which fails as a whole.
    pub(super) fn outlives_failures(&self) -> bool {
        self.snapshot.is_none() && !matches!(self.aim, Aim::Rewrite { checkpoints: false, .. })
    }
}

/// How many sessions work side by side.
pub(super) fn jobs(options: &SweepOptions) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    options.jobs.unwrap_or(cores.clamp(2, 4)).max(1)
}
