//! Which ranges of the script are run when.

use lifeboat_core::index::{Content, Index, Range, Section};

/// The ranges of the script that a restore needs, each list in the script's order.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    /// Definitions that rows need.
    pub(super) definitions: Vec<&'a Range>,
    /// Rows.
    pub(super) rows: Vec<&'a Range>,
    /// What stands among the rows and needs definitions only: values of sequences, large objects.
    pub(super) values: Vec<&'a Range>,
    /// What stands on rows.
    pub(super) on_rows: Vec<&'a Range>,
    /// SQL bytes that nobody needs.
    pub(super) unneeded_bytes: u64,
}

impl<'a> Sections<'a> {
    /// A definition that needs an index, such as a view that groups by a key, stands among what stands on rows: a section
    /// ends where the next begins, whatever the statements behind that say of themselves.
    pub(super) fn of(index: &'a Index) -> Self {
        let (mut sections, mut reached) = (Self::default(), Section::PreData);
        for range in &index.ranges {
            match &range.content {
                Content::Rows(_) => {
                    reached = reached.max(Section::Data);
                    sections.rows.push(range);
                }
                Content::Sql { only_copy: true, .. } => sections.unneeded_bytes += range.bytes.sql_bytes,
                Content::Sql { section, .. } => {
                    reached = reached.max(*section);
                    sections.list(reached).push(range);
                }
            }
        }
        sections
    }

    fn list(&mut self, section: Section) -> &mut Vec<&'a Range> {
        match section {
            Section::PreData => &mut self.definitions,
            Section::Data => &mut self.values,
            Section::PostData => &mut self.on_rows,
        }
    }
}
