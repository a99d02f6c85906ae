//! Values that are spread over columns of one table.

use std::collections::BTreeSet;

use super::column::{Hit, best, tried};
use super::forms::{CODECS, IVS, WITHOUT_IV};
use super::sample::{Sample, SampledColumn};
use super::texts::{decode, quoted};
use super::trial::{Sealed, Trials};
use crate::columns::AadTemplate;
use crate::columns::layout::Content;

/// A hit, and the columns that it is spread over.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) hit: Hit,
    /// Places in [`Sample::columns`], that of the ciphertext first.
    pub(super) columns: Vec<usize>,
    /// How many rows have anything in these columns.
    pub(super) filled: usize,
}

/// A column all of whose values are as long as an IV or a tag.
struct Short {
    column: usize,
    codec: Option<&'static str>,
    bytes: usize,
}

/// What opens when columns are put together, but those of `taken`: each column is part of one value.
pub(super) fn spread(
    trials: &Trials<'_>,
    sample: &Sample,
    templates: &[AadTemplate],
    taken: &BTreeSet<usize>,
) -> Vec<Spread> {
    let free: Vec<usize> = (0..sample.columns.len()).filter(|column| !taken.contains(column)).collect();
    let short: Vec<Short> = free.iter().filter_map(|column| short(sample, *column)).collect();
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for &ct in &free {
        let open = |short: &&Short| !used.contains(&short.column) && short.column != ct;
        if used.contains(&ct) {
            continue;
        }
        let near: Vec<&Short> = short.iter().filter(open).collect();
        if let Some(spread) = around(trials, sample, templates, ct, &near) {
            used.extend(spread.columns.iter().copied());
            found.push(spread);
        }
    }
    found
}

fn around(
    trials: &Trials<'_>,
    sample: &Sample,
    templates: &[AadTemplate],
    ct: usize,
    near: &[&Short],
) -> Option<Spread> {
    let aads = sample.aads(templates, &sample.columns[ct].name);
    let mut all = Vec::new();
    for (expression, columns) in expressions(sample, ct, near).into_iter().take(COMBINATIONS) {
        let values: Vec<Sealed<'_>> = sample
            .rows
            .iter()
            .zip(&aads)
            .filter(|(row, _)| columns.iter().any(|at| row.cells[*at].as_ref().is_some_and(|cell| !cell.is_empty())))
            .map(|(row, aads)| Sealed { parts: columns.iter().map(|at| row.cells[*at].as_deref()).collect(), aads })
            .collect();
        let picks: Vec<&Sealed<'_>> = values.iter().take(PICKS).collect();
        if let Some(hit) = tried(trials, &expression, &picks, &values) {
            all.push(Spread { hit, columns, filled: values.len() });
        }
    }
    let first = best(all.iter().map(|spread| spread.hit.clone()).collect(), &[]).into_iter().next()?;
    all.into_iter().find(|spread| spread.hit.layout == first.layout)
}

/// The ciphertext first, then what is near.
fn expressions(sample: &Sample, ct: usize, near: &[&Short]) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    for codec in codecs(&sample.columns[ct]) {
        let whole = |inner: &str| written(&sample.columns[ct], codec, inner);
        for iv in near {
            let field = if iv.bytes == 12 { IVS[0] } else { IVS[1] };
            let iv_text = written(&sample.columns[iv.column], iv.codec, field);
            for run in WITHOUT_IV {
                found.push((format!("columns{{{}, {iv_text}}}", whole(run)), vec![ct, iv.column]));
            }
            for tag in near.iter().filter(|tag| tag.bytes == 16 && tag.column != iv.column) {
                let tag_text = written(&sample.columns[tag.column], tag.codec, "tag");
                let text = format!("columns{{{}, {iv_text}, {tag_text}}}", whole("ct"));
                found.push((text, vec![ct, iv.column, tag.column]));
            }
        }
    }
    found
}

fn codecs(column: &SampledColumn) -> Vec<Option<&'static str>> {
    match column.content {
        Content::Bytes => vec![None],
        Content::Text => CODECS.into_iter().map(Some).collect(),
    }
}

fn written(column: &SampledColumn, codec: Option<&str>, inner: &str) -> String {
    format!("{}: {}({inner})", name(&column.name), codec.unwrap_or("bytes"))
}

/// A column's name as a layout writes it.
fn name(column: &str) -> String {
    let is_word = column.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if is_word { column.to_owned() } else { quoted(column) }
}

fn short(sample: &Sample, column: usize) -> Option<Short> {
    let cells = || sample.rows.iter().filter_map(|row| row.cells[column].as_deref()).filter(|cell| !cell.is_empty());
    cells().next()?;
    for codec in codecs(&sample.columns[column]) {
        let length = |cell: &[u8]| match codec {
            None => Some(cell.len()),
            Some(codec) => Some(decode(str::from_utf8(cell).ok()?, codec)?.len()),
        };
        let lengths: BTreeSet<Option<usize>> = cells().map(length).collect();
        if let [Some(bytes @ (12 | 16))] = lengths.into_iter().collect::<Vec<_>>().as_slice() {
            return Some(Short { column, codec, bytes: *bytes });
        }
    }
    None
}

/// How many ways of putting columns together are tried for one ciphertext, and with how many rows.
const COMBINATIONS: usize = 2000;
const PICKS: usize = 8;
