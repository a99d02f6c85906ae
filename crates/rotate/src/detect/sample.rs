//! Rows of a table that were read to be tried.

use crate::columns::AadTemplate;
use crate::columns::layout::Content;

/// Columns of a table that may hold ciphertexts, and some of its rows.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The table's schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its primary key.
    pub primary_key: Vec<String>,
    /// The columns.
    pub columns: Vec<SampledColumn>,
    /// Names of columns whose values are needed for AADs.
    pub aad_columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A column that may hold ciphertexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledColumn {
    /// Its name.
    pub name: String,
    /// Whether it holds text or bytes.
    pub content: Content,
    /// Whether its type is none that a layout reads: an array, hstore, XML or a composite type. Then its cells are what the server prints.
    pub is_compound: bool,
}

/// What was read of a row. Its values are ciphertexts, and may be secrets that nobody encrypted.
#[derive(Clone, Default)]
pub struct Row {
    /// In the order of [`Sample::columns`].
    pub cells: Vec<Option<Vec<u8>>>,
    /// In the order of [`Sample::aad_columns`].
    pub aad: Vec<Option<String>>,
}

/// Not the values.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} cells)", self.cells.len())
    }
}

impl Sample {
    /// What each template gives for each row, where `column` holds the ciphertext. A row that lacks a column gives nothing that
    /// a tag was ever made of.
    pub(super) fn aads(&self, templates: &[AadTemplate], column: &str) -> Vec<Vec<Vec<u8>>> {
        let filled: Vec<_> = templates
            .iter()
            .map(|template| {
                let at = |name: &&str| self.aad_columns.iter().position(|column| column == name);
                let places: Vec<_> = template.key_columns().iter().map(at).collect();
                (template.of(&self.schema, &self.table, column), places)
            })
            .collect();
        let row = |row: &Row| {
            let one = |(aad, places): &(crate::columns::Aad, Vec<Option<usize>>)| {
                let keys: Option<Vec<&str>> = places.iter().map(|place| row.aad.get((*place)?)?.as_deref()).collect();
                keys.and_then(|keys| aad.render(&keys).ok()).unwrap_or_default()
            };
            filled.iter().map(one).collect()
        };
        self.rows.iter().map(row).collect()
    }
}
