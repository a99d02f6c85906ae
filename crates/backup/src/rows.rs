//! How the rows of a table are printed: by a COPY of its own or of some of its pages, under settings that make the text of a
//! row a function of the row. Whoever prints the rows of a restored table so, with what the index says, gets the lines that
//! were dumped.

mod chunks;
mod read;
mod tables;

use std::ops::Range;

use crate::postgres::{quote_ident, quote_literal};
pub use chunks::{Chunk, Extent, PlanOptions, plan};
pub use read::{read_rows, set_up};
pub use tables::{Printed, printed};

/// The COPY of a chunk of `table`.
#[must_use]
pub fn copy_of<'a>(table: &'a Printed, chunk: &'a Chunk, encoding: &'a str) -> CopyOut<'a> {
    CopyOut {
        schema: &table.schema,
        name: &table.name,
        columns: &table.columns,
        condition: table.condition.as_deref(),
        pages: chunk.pages.as_ref(),
        encoding,
    }
}

/// A COPY of rows out of a table.
#[derive(Clone, Copy, Debug)]
pub struct CopyOut<'a> {
    /// Schema.
    pub schema: &'a str,
    /// Name.
    pub name: &'a str,
    /// Columns in the order of the rows, without those that are generated.
    pub columns: &'a [String],
    /// The WHERE clause of an extension's configuration table.
    pub condition: Option<&'a str>,
    /// Only the rows of these pages; `u64::MAX` is no end.
    pub pages: Option<&'a Range<u64>>,
    /// Encoding of the lines.
    pub encoding: &'a str,
}

impl CopyOut<'_> {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> String {
        let name = format!("{}.{}", quote_ident(self.schema), quote_ident(self.name));
        let columns: Vec<_> = self.columns.iter().map(|column| quote_ident(column)).collect();
        let columns = columns.join(", ");
        let encoding = quote_literal(self.encoding);
        let what = match (self.condition, self.pages) {
            (None, None) if columns.is_empty() => name,
            (None, None) => format!("{name} ({columns})"),
            (Some(condition), _) => format!("(SELECT {columns} FROM ONLY {name} {condition})"),
            (None, Some(pages)) => format!("(SELECT {columns} FROM ONLY {name} WHERE {})", page_condition(pages)),
        };
        format!("COPY {what} TO STDOUT (ENCODING {encoding})")
    }
}

/// Statements that make a session read what it is asked for and nothing else: a range of pages is read as such, and by this
/// process, for the others are busy; rows that a policy hides are an error. The last setting is missing on servers before the
/// minor versions of August 2024.
pub(crate) const READ_AS_PLANNED: &str = "SET row_security = off; SET synchronize_seqscans = off; SET enable_tidscan = on; \
    SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0; \
    SELECT pg_catalog.set_config(name, 'view, foreign-table', false) FROM pg_catalog.pg_settings \
    WHERE name = 'restrict_nonsystem_relation_kind'";

/// Whether a server of this major version reads a range of pages, asked for by `ctid`, without reading the others.
#[must_use]
pub fn reads_page_ranges(major: u32) -> bool {
    major >= 14
}

fn page_condition(pages: &Range<u64>) -> String {
    let from = format!("ctid >= '({},0)'::pg_catalog.tid", pages.start);
    match pages.end {
        u64::MAX => from,
        end => format!("{from} AND ctid < '({end},0)'::pg_catalog.tid"),
    }
}

#[cfg(test)]
mod tests {
    use super::CopyOut;

    #[test]
    fn a_copy_names_what_it_reads_whatever_it_is_called() {
        let columns = ["a b".to_owned(), "c\"d".to_owned()];
        let copy =
            CopyOut { schema: "S", name: "x", columns: &columns, condition: None, pages: None, encoding: "LATIN1" };
        assert_eq!(copy.statement(), r#"COPY "S"."x" ("a b", "c""d") TO STDOUT (ENCODING 'LATIN1')"#);
        let some = CopyOut { pages: Some(&(3..7)), ..copy }.statement();
        assert!(some.contains("FROM ONLY") && some.contains("'(3,0)'") && some.contains("< '(7,0)'"), "{some}");
        let rest = CopyOut { pages: Some(&(7..u64::MAX)), ..copy }.statement();
        assert!(rest.contains(">= '(7,0)'") && !rest.contains('<'), "{rest}");
        let chosen = CopyOut { condition: Some("WHERE NOT shipped"), ..copy }.statement();
        assert!(chosen.contains(r#"FROM ONLY "S"."x" WHERE NOT shipped)"#), "{chosen}");
        let nothing = CopyOut { columns: &[], ..copy }.statement();
        assert_eq!(nothing, r#"COPY "S"."x" TO STDOUT (ENCODING 'LATIN1')"#);
    }
}
