//! Values that open with what another value's rotation replaces: an IV, or a key's id, that both were given.

use std::collections::BTreeSet;

use super::documents;
use super::sample::{Row, Sample};
use super::trial::{Sealed, TrialKey, Trials};
use crate::columns::layout::{Content, Place};
use crate::columns::{AadTemplate, Layout};

/// What opens with what stands apart.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Columns of the table, or strings of the document.
    pub(crate) places: Vec<String>,
    /// Whether there were more ways of putting a ciphertext and a tag together than are tried.
    pub(crate) is_cut: bool,
}

/// The ciphertexts beside those of a layout that open with what it keeps apart: columns of the table, or strings of the document in
/// `column`. Ends early when `stop` says so.
pub(crate) fn rivals(
    keys: &[TrialKey],
    sample: &Sample,
    layout: &Layout,
    column: usize,
    templates: &[AadTemplate],
    stop: &dyn Fn() -> bool,
) -> Found {
    let trials = Trials::new(keys);
    let Some((_, apart)) = layout.apart() else { return Found::default() };
    let rows = if layout.has_salt() { SALTED_ROWS } else { sample.rows.len() };
    let is_document = layout.columns().count() == 1;
    let cells: Vec<Cells<'_>> =
        sample.rows.iter().take(rows).map(|row| Cells::of(sample, row, column, is_document)).collect();
    let own = layout.places();
    let others: BTreeSet<_> = cells.iter().flat_map(|cells| cells.0.iter().map(|cell| (&cell.0, cell.1))).collect();
    let others: Vec<_> = (others.into_iter().filter(|(place, _)| !own.contains(place)))
        .map(|(place, is_bytes)| (place.clone(), if is_bytes { Content::Bytes } else { Content::Text }))
        .collect();
    let (mut found, mut tried) = (BTreeSet::new(), layout.with_other_ciphertexts(&others));
    for (place, other) in tried.by_ref().take(COMBINATIONS).take_while(|_| !stop()) {
        let name =
            if is_document { sample.columns[column].name.as_str() } else { place.first().map_or("", String::as_str) };
        let opens = || {
            let aads = sample.aads(templates, name);
            (0..rows.min(sample.rows.len())).any(|at| {
                cells[at].has_one_only(&own, &apart)
                    && trials.opener(&other, &sealed(sample, &sample.rows[at], &other, column, &aads[at])).is_some()
            })
        };
        if !found.contains(&place) && opens() {
            found.insert(place);
        }
    }
    let places = found.into_iter().map(|place| place.join(".")).collect();
    Found { places, is_cut: tried.next().is_some() }
}

fn sealed<'r>(sample: &Sample, row: &'r Row, layout: &Layout, column: usize, aads: &'r [Vec<u8>]) -> Sealed<'r> {
    let at = |name: Option<&str>| match name {
        None => Some(column),
        Some(name) => sample.columns.iter().position(|column| column.name == name),
    };
    let parts = layout.columns().map(|(name, _)| row.cells[at(name)?].as_deref()).collect();
    Sealed { parts, aads }
}

/// What a row holds, by place, and whether it is bytes.
struct Cells<'r>(Vec<(Place, bool, std::borrow::Cow<'r, [u8]>)>);

impl<'r> Cells<'r> {
    fn of(sample: &Sample, row: &'r Row, column: usize, is_document: bool) -> Self {
        if is_document {
            let text = row.cells[column].as_deref().and_then(|cell| str::from_utf8(cell).ok());
            let leaves = text.and_then(documents::leaves).unwrap_or_default();
            return Self(leaves.into_iter().map(|(path, text)| (path, false, text.into_bytes().into())).collect());
        }
        let cell = |(column, cell): (&super::SampledColumn, &'r Option<Vec<u8>>)| {
            let cell = cell.as_deref().filter(|cell| !cell.is_empty())?;
            Some((vec![column.name.clone()], column.content == Content::Bytes, cell.into()))
        };
        Self(sample.columns.iter().zip(&row.cells).filter_map(cell).collect())
    }

    /// Whether what stands apart is there, and nowhere else in the row: a copy of it may be what the other value goes by.
    fn has_one_only(&self, own: &[Place], apart: &Place) -> bool {
        let Some((_, _, shared)) = self.0.iter().find(|(place, ..)| place == apart) else { return false };
        !self.0.iter().any(|(place, _, cell)| !own.contains(place) && cell == shared)
    }
}

/// Rows that are tried where each takes the derivation of a key.
const SALTED_ROWS: usize = 16;
/// How many ways of putting a ciphertext and a tag together are tried.
const COMBINATIONS: usize = 5000;
