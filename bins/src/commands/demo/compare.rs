//! Compares two databases row by row, without anything of ours in between: what one server prints, twice.

use lifeboat_core::{Error, Kind, Result};
use serde::Serialize;

use super::server::Throwaway;

/// What the comparison of one table found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Compared {
    /// The table.
    pub(super) table: String,
    /// Rows of the original.
    pub(super) rows: u64,
    /// Rows that the copy has as well.
    pub(super) equal: u64,
    /// Rows that only the copy has.
    pub(super) surplus: u64,
}

impl Compared {
    /// Whether original and copy hold the same rows.
    pub(super) fn is_equal(&self) -> bool {
        self.rows == self.equal && self.surplus == 0
    }
}

/// Compares every table of two databases of one server.
///
/// # Errors
/// [`Kind::Database`] when a table cannot be read, as when the copy lacks it.
pub(super) async fn compare(server: &Throwaway, original: &str, copy: &str) -> Result<Vec<Compared>> {
    let tables = text(server.psql(original, TABLES).await?)?;
    let mut found = Vec::new();
    for table in tables.lines() {
        let rows = format!("COPY (SELECT t::text FROM ONLY {table} t ORDER BY 1) TO STDOUT");
        let (left, right) = (server.psql(original, &rows).await?, server.psql(copy, &rows).await?);
        found.push(merge(table, &left, &right));
    }
    Ok(found)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| Error::new(Kind::Database, "read the names of tables").caused_by(error))
}

/// Both sides are sorted: one walk pairs equal rows.
fn merge(table: &str, left: &[u8], right: &[u8]) -> Compared {
    let mut found = Compared { table: table.to_owned(), rows: 0, equal: 0, surplus: 0 };
    let (mut left, mut right) = (lines(left).peekable(), lines(right).peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if a == b => {
                (found.rows, found.equal) = (found.rows + 1, found.equal + 1);
                left.next();
                right.next();
            }
            (Some(a), Some(b)) if a > b => {
                found.surplus += 1;
                right.next();
            }
            (Some(_), _) => {
                found.rows += 1;
                left.next();
            }
            (None, Some(_)) => {
                found.surplus += 1;
                right.next();
            }
            (None, None) => return found,
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

const TABLES: &str = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                      WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn equal_tables_are_equal() {
        let found = merge("t", b"a\nb\nb\n", b"a\nb\nb\n");
        assert!(found.is_equal() && found.rows == 3);
        assert!(merge("t", b"", b"").is_equal());
    }

    #[test]
    fn a_missing_a_changed_and_an_additional_row_are_counted() {
        let missing = merge("t", b"a\nb\nc\n", b"a\nc\n");
        assert_eq!((missing.rows, missing.equal, missing.surplus), (3, 2, 0));
        let changed = merge("t", b"a\nb\n", b"a\nx\n");
        assert_eq!((changed.rows, changed.equal, changed.surplus), (2, 1, 1));
        let additional = merge("t", b"a\n", b"a\na\n");
        assert!(!additional.is_equal() && additional.surplus == 1);
    }
}
