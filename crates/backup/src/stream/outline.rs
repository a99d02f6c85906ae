//! What a script held, as its indexer tells it.

use lifeboat_core::codec::{Fingerprint, WrittenObject};
use lifeboat_core::index::{Content, Range};

use super::output::Written;
use super::vet::Vetted;
use crate::script::SqlName;

/// What the script held, in order; where it lies is known to whoever wrote it.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) contents: Vec<Content>,
    pub(super) relations: Vec<CopiedRelation>,
    pub(super) sequences: Vec<SetSequence>,
    pub(super) large_objects: u64,
    /// What a script of somebody else's needs.
    pub(super) vetted: Option<Vetted>,
}

/// What the script held and where it lies.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) objects: Vec<(String, WrittenObject)>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) relations: Vec<CopiedRelation>,
    pub(crate) sequences: Vec<SetSequence>,
    pub(crate) large_objects: u64,
    /// What a script of somebody else's needs.
    pub(crate) vetted: Option<Vetted>,
}

/// A relation whose rows are in the script, under the names that the script's bytes give it.
#[derive(Debug)]
pub(crate) struct CopiedRelation {
    pub(crate) schema: Option<SqlName>,
    pub(crate) name: SqlName,
    pub(crate) columns: Vec<SqlName>,
    pub(crate) fingerprint: Fingerprint,
}

/// A sequence as the script sets it.
#[derive(Debug)]
pub(crate) struct SetSequence {
    pub(crate) schema: Option<SqlName>,
    pub(crate) name: SqlName,
    pub(crate) value: i64,
    pub(crate) called: bool,
}

impl Outline {
    /// Adds where it all lies.
    pub(super) fn at(self, written: Written) -> Script {
        let Self { contents, relations, sequences, large_objects, vetted } = self;
        debug_assert_eq!(contents.len(), written.ranges.len());
        let ranges = written.ranges.into_iter().zip(contents);
        let ranges = ranges.map(|((object, bytes), content)| Range { object, bytes, content }).collect();
        Script { objects: written.objects, ranges, relations, sequences, large_objects, vetted }
    }
}
