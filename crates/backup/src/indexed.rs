//! A dumped script, or pieces of it: which objects it lies in, and what the index tells of it.

use lifeboat_core::codec::{ByteRange, WrittenObject};
use lifeboat_core::index::{Content, Range, Relation, Sequence};

/// Pieces of a script, in order.
#[derive(Debug, Default)]
pub(crate) struct IndexedScript {
    /// By name.
    pub(crate) objects: Vec<(String, WrittenObject)>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) large_objects: u64,
}

impl IndexedScript {
    /// Adds an object and its ranges, whose relations are those of this script.
    pub(crate) fn add_object(&mut self, name: String, object: WrittenObject, ranges: Vec<(ByteRange, Content)>) {
        let position = self.objects.len();
        self.objects.push((name, object));
        let ranges = ranges.into_iter().map(|(bytes, content)| Range { object: position, bytes, content });
        self.ranges.extend(ranges);
    }

    /// Adds another piece behind this one.
    pub(crate) fn append(&mut self, other: Self) {
        let (objects, relations) = (self.objects.len(), self.relations.len());
        self.objects.extend(other.objects);
        self.relations.extend(other.relations);
        self.sequences.extend(other.sequences);
        self.large_objects += other.large_objects;
        self.ranges.extend(other.ranges.into_iter().map(|mut range| {
            range.object += objects;
            if let Content::Rows(rows) = &mut range.content {
                rows.relation += relations;
            }
            range
        }));
    }
}
