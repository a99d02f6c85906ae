//! SQL that is run: ranges of the archive, or statements that are at hand.

use lifeboat_core::index::Range;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use crate::archive::Archive;
use crate::archive::span::Proven;

/// Statements in their order.
#[derive(Debug)]
pub(super) enum Pieces<'a> {
    /// To be fetched, and proven before the first of them runs.
    Ranges(Vec<&'a Range>),
    /// Proven already: UTF-8.
    Text(Vec<u8>),
}

impl Default for Pieces<'_> {
    fn default() -> Self {
        Self::Ranges(Vec::new())
    }
}

impl<'a> Pieces<'a> {
    /// How much it is; nothing where there is none.
    pub(super) fn sql_bytes(&self) -> u64 {
        match self {
            Self::Ranges(ranges) => ranges.iter().map(|range| range.bytes.sql_bytes).sum(),
            Self::Text(text) => text.len() as u64,
        }
    }

    /// Reads all of it, piece by piece.
    pub(super) fn read(&'a self, store: &'a Store, archive: &'a Archive, job: &'a Job) -> Reading<'a> {
        match self {
            Self::Ranges(ranges) => Reading::Ranges(archive.proven(store, job, ranges)),
            Self::Text(text) => Reading::Text(Some(text.clone())),
        }
    }
}

/// Pieces being read.
pub(super) enum Reading<'a> {
    Ranges(Proven<'a>),
    Text(Option<Vec<u8>>),
}

impl Reading<'_> {
    /// The next piece; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Ranges(proven) => proven.next().await,
            Self::Text(text) => Ok(text.take()),
        }
    }
}
