//! What a column holds inside of its values: strings of documents, elements of arrays, parts of values of other types.

use std::collections::BTreeMap;

use super::documents;
use super::sample::Sample;
use crate::columns::layout::{Content, Place};

/// Values of a column that lie in one place.
pub(super) struct Within {
    /// The column, then what they lie in.
    pub(super) place: Place,
    pub(super) content: Content,
    pub(super) values: Vec<OfRow>,
}

/// A value, with the number of its row.
type OfRow = (usize, Vec<u8>);

/// What lies where no layout reaches: in arrays, and in columns of types that none reads.
pub(super) fn out_of_reach(sample: &Sample, column: usize) -> Vec<Within> {
    by_place(sample, column, documents::elements)
}

/// The strings of documents, those in arrays too, and the parts of other values.
pub(super) fn all(sample: &Sample, column: usize) -> Vec<Within> {
    by_place(sample, column, |cell| documents::strings(cell).unwrap_or_default())
}

fn by_place(sample: &Sample, column: usize, of_document: impl Fn(&[u8]) -> Vec<(Place, String)>) -> Vec<Within> {
    let parts = |cell: &[u8]| -> Vec<(Place, Content, Vec<u8>)> {
        if sample.columns[column].is_compound {
            let part = |(content, bytes)| (Vec::new(), content, bytes);
            return documents::parts(cell).into_iter().map(part).collect();
        }
        let text = |(path, text): (Place, String)| (path, Content::Text, text.into_bytes());
        of_document(cell).into_iter().map(text).collect()
    };
    let mut found: BTreeMap<(Place, bool), Vec<OfRow>> = BTreeMap::new();
    for (at, row) in sample.rows.iter().enumerate() {
        for (path, content, bytes) in parts(row.cells[column].as_deref().unwrap_or_default()) {
            let values = found.entry((path, content == Content::Bytes)).or_default();
            if bytes.len() >= LEAST && values.len() < VALUES {
                values.push((at, bytes));
            }
        }
    }
    let name = &sample.columns[column].name;
    let within = |((path, is_bytes), values): ((Place, bool), Vec<_>)| Within {
        place: std::iter::once(name.clone()).chain(path).collect(),
        content: if is_bytes { Content::Bytes } else { Content::Text },
        values,
    };
    found.into_iter().filter(|(_, values)| !values.is_empty()).take(PLACES).map(within).collect()
}

/// IV and tag.
const LEAST: usize = 28;
/// How many places of a column are looked at, and how many values of each.
const PLACES: usize = 64;
const VALUES: usize = 1000;
