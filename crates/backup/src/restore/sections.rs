//! Which ranges of the script are run when.

use lifeboat_core::index::{Content, Index, Range, Section};

use super::pieces::Pieces;

/// What of the script a restore needs, each list in the script's order.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    /// Definitions that rows need.
    pub(super) definitions: Pieces<'a>,
    /// Rows.
    pub(super) rows: Vec<&'a Range>,
    /// What stands among the rows and needs definitions only: values of sequences, large objects.
    pub(super) values: Pieces<'a>,
    /// What stands on rows.
    pub(super) on_rows: Pieces<'a>,
    /// SQL bytes that nobody needs.
    pub(super) unneeded_bytes: u64,
}

impl<'a> Sections<'a> {
    /// A definition that needs an index, such as a view that groups by a key, stands among what stands on rows: a section
    /// ends where the next begins, whatever the statements behind that say of themselves.
    pub(super) fn of(index: &'a Index) -> Self {
        let (mut sections, mut reached) = (Self::default(), Section::PreData);
        let (mut definitions, mut values, mut on_rows) = (Vec::new(), Vec::new(), Vec::new());
        for range in &index.ranges {
            match &range.content {
                Content::Rows(_) => {
                    reached = reached.max(Section::Data);
                    sections.rows.push(range);
                }
                Content::Sql { only_copy: true, .. } => sections.unneeded_bytes += range.bytes.sql_bytes,
                Content::Sql { section, .. } => {
                    reached = reached.max(*section);
                    let list = match reached {
                        Section::PreData => &mut definitions,
                        Section::Data => &mut values,
                        Section::PostData => &mut on_rows,
                    };
                    list.push(range);
                }
            }
        }
        let [definitions, values, on_rows] = [definitions, values, on_rows].map(Pieces::Ranges);
        Self { definitions, values, on_rows, ..sections }
    }
}
