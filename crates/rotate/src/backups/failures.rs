//! What failed while the rest went on.

use lifeboat_core::{Error, Kind};
use serde::Serialize;

use super::folder::Folder;

/// One backup that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The store.
    pub store: String,
    /// The backup, or the run.
    pub backup: String,
    /// What the operator does next.
    #[serde(skip)]
    pub kind: Kind,
    /// Its name.
    pub error_kind: &'static str,
    /// Why, as one line.
    pub error: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// All that failed: how many, and the first hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Failed>,
}

impl Failures {
    pub(super) fn add(&mut self, failed: Failed) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(failed);
        }
    }

    /// These and others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let all = self.first.iter().chain(&others.first).take(KEPT).cloned().collect();
        Self { count: self.count + others.count, first: all }
    }

    /// The kind of the first.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.first.first().map(|failed| failed.kind)
    }
}

impl Failed {
    pub(super) fn of(folder: &Folder<'_>, error: &Error) -> Self {
        Self::named(folder.store.address(), folder.owner.to_string(), error)
    }

    pub(super) fn named(store: &str, backup: String, error: &Error) -> Self {
        Self {
            store: store.to_owned(),
            backup,
            kind: error.kind(),
            error_kind: error.kind().name(),
            error: error.chain(),
            hint: error.help().map(str::to_owned),
        }
    }
}

const KEPT: usize = 100;
