//! What the workers of one target share.

use std::sync::Arc;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Job, Result};

use super::accept::AcceptList;
use super::catalog::Swept;
use super::claim::Claim;
use super::options::{Limits, SweepOptions};
use super::own::Own;
use super::pace::Pace;
use super::sql;
use super::status::Direction;
use super::target::{TableName, Target};
use super::traffic::Traffic;
use crate::Keyring;
use crate::columns::Aad;

/// What is done with each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// It is written under the primary key, in the pass of this rotation.
    Rewrite {
        /// The rotation in the book.
        rotation: i64,
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
    pub(super) columns: Vec<String>,
    pub(super) keyring: Keyring,
    /// In a proof: what values that are left over open by, which no accept list gives up.
    pub(super) old: Option<Keyring>,
    pub(super) aad: Aad,
    pub(super) aim: Aim,
    pub(super) snapshot: Option<String>,
    /// Whether all of it is one transaction: it needs no checkpoints, and fails as a whole.
    pub(super) in_transaction: bool,
    /// Only rows whose value is not among those that this rotation has prepared.
    pub(super) unless_prepared: Option<i64>,
    /// Only rows of which this is true.
    pub(super) only_others: Option<String>,
    /// What this run has written.
    pub(super) own: Own,
    /// Whether rows are not counted as progress: they were before.
    pub(super) quiet: bool,
    pub(super) back: bool,
    pub(super) accept: AcceptList,
    pub(super) failures_named: usize,
    pub(super) jobs: usize,
    pub(super) pace: Pace,
    pub(super) traffic: Arc<Traffic>,
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
            columns: target.value_columns(),
            aad: target.aad.of(&target.table.schema, &target.table.name, &target.column_name()),
            keyring,
            old: None,
            unless_prepared: match aim {
                Aim::Prepare { rotation } => Some(rotation),
                _ => None,
            },
            aim,
            snapshot: None,
            in_transaction: false,
            only_others: None,
            own: Own::default(),
            quiet: false,
            back: false,
            accept: options.accept.clone(),
            failures_named: options.failures_named,
            jobs: jobs(options),
            pace: Pace::new(options, slow),
            traffic: Arc::new(Traffic::new(!options.limits.shared_batch_time.is_zero())),
        }
    }
}

impl Work {
    /// A further condition on the rows that are read.
    pub(super) fn only(&self, swept: &Swept) -> Option<String> {
        let unprepared = self.unless_prepared.map(|rotation| sql::not_prepared(swept, rotation));
        // A trigger may write in our transaction, and something else.
        let others = self.only_others.clone().or_else(|| self.own.written_by_others()).filter(|_| !swept.has_triggers);
        // Where nobody can write meanwhile, no row that has nothing to write is read.
        let some = self.in_transaction.then(|| sql::some_value(swept));
        let conditions: Vec<_> = some.into_iter().chain(unprepared).chain(others).collect();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// Another keyring like this one's.
    pub(super) fn keyring_again(&self, target: &Target) -> Result<Keyring> {
        if self.back { target.keyring_back() } else { target.keyring() }
    }

    /// Whether a failed batch can be repeated.
    pub(super) fn outlives_failures(&self) -> bool {
        self.snapshot.is_none() && !self.in_transaction
    }

    /// The rotation whose parts say how far it has come.
    pub(super) fn checkpoints(&self) -> Option<Claim> {
        let direction = if self.back { Direction::Back } else { Direction::Forward };
        match self.aim {
            Aim::Rewrite { rotation } | Aim::Prepare { rotation } if !self.in_transaction => {
                Some(Claim { rotation, direction })
            }
            _ => None,
        }
    }
}

/// How many sessions work side by side.
pub(super) fn jobs(options: &SweepOptions) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    options.jobs.unwrap_or(cores.clamp(2, 4)).max(1)
}
