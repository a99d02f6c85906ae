//! What a table's sample shows.

use std::collections::BTreeSet;

use super::column::{Hit, hits};
use super::look::looks_encrypted;
use super::neighbours;
use super::rivals::rivals;
use super::sample::Sample;
use super::trial::{Sealed, TrialKey, Trials};
use super::within::{self, Within};
use super::{Found, Other, Suspect, Unreached};
use crate::columns::AadTemplate;
use crate::columns::layout::{Place, shown};

/// What a table's sample shows.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// Columns that a key opens.
    pub found: Vec<Found>,
    /// What opens and no layout reaches.
    pub unreached: Vec<Unreached>,
    /// What looks encrypted and did not open.
    pub suspects: Vec<Suspect>,
}

/// Tries the keys on a sample.
#[must_use]
pub fn examine(sample: &Sample, keys: &[TrialKey], aads: &[AadTemplate]) -> Examined {
    let templates = templates(aads);
    let examiner = Examiner { sample, templates: &templates, trials: Trials::new(keys) };
    let is_compound = |column: &usize| sample.columns[*column].is_compound;
    let (compound, plain): (Vec<usize>, Vec<usize>) = (0..sample.columns.len()).partition(is_compound);
    let (mut found, mut taken) = (Vec::new(), BTreeSet::from_iter(compound));
    for column in plain {
        if let Some(in_column) = examiner.column(column) {
            taken.insert(column);
            found.push(in_column);
        }
    }
    for found in &mut found {
        found.sharing = sharing(found, sample, keys, &templates);
    }
    for spread in neighbours::spread(&examiner.trials, sample, &templates, &taken) {
        taken.extend(spread.columns.iter().copied());
        let mut spread = examiner.found(&spread.columns, &spread.hit, &[], spread.filled);
        spread.sharing = sharing(&spread, sample, keys, &templates);
        let is_shared = |column: &usize| spread.sharing.contains(&sample.columns[*column].name);
        taken.extend((0..sample.columns.len()).filter(is_shared));
        found.push(spread);
    }
    let (unreached, mut opened): (Vec<_>, Vec<_>) =
        (0..sample.columns.len()).flat_map(|column| examiner.unreached(column)).unzip();
    opened.extend(found.iter().flat_map(places));
    let whole = |column: usize| (!taken.contains(&column)).then(|| examiner.suspect(column)).flatten();
    let suspects = (0..sample.columns.len()).flat_map(|column| match whole(column) {
        Some(suspect) => vec![suspect],
        None => examiner.suspects_within(column, &opened),
    });
    let is_shared = |suspect: &Suspect| found.iter().any(|found| found.sharing.contains(&suspect.column));
    let suspects = suspects.filter(|suspect| !is_shared(suspect)).collect();
    Examined { found, unreached, suspects }
}

/// Where what was found lies.
fn places(found: &Found) -> Vec<Place> {
    let column = found.columns.first().map_or("", String::as_str);
    let layouts = std::iter::once(&found.layout).chain(found.others.iter().map(|other| &other.layout));
    layouts.flat_map(|layout| layout.pieces(column)).map(|piece| piece.place).collect()
}

/// What else opens with the IV of values that were found.
fn sharing(found: &Found, sample: &Sample, keys: &[TrialKey], templates: &[AadTemplate]) -> Vec<String> {
    let rivals = |column: &String| rivals(keys, sample, &found.layout, column, templates, &|| false).places;
    found.columns.first().map(rivals).unwrap_or_default()
}

/// No AAD, then the operator's.
fn templates(aads: &[AadTemplate]) -> Vec<AadTemplate> {
    let given = aads.iter().filter(|aad| **aad != AadTemplate::default()).cloned();
    std::iter::once(AadTemplate::default()).chain(given).collect()
}

struct Examiner<'a> {
    sample: &'a Sample,
    templates: &'a [AadTemplate],
    trials: Trials<'a>,
}

impl Examiner<'_> {
    fn column(&self, column: usize) -> Option<Found> {
        let shape = &self.sample.columns[column];
        let aads = self.sample.aads(self.templates, &shape.name);
        let values: Vec<Sealed<'_>> = self
            .sample
            .rows
            .iter()
            .zip(&aads)
            .filter_map(|(row, aads)| {
                let cell = row.cells[column].as_deref().filter(|cell| !cell.is_empty())?;
                Some(Sealed { parts: vec![Some(cell)], aads })
            })
            .collect();
        let cells: Vec<&[u8]> = values.iter().filter_map(|value| value.parts[0]).collect();
        let looks = || looks_encrypted(&shape.name, &cells).is_some();
        let hits = hits(&self.trials, &values, shape.content, looks);
        let (first, others) = hits.split_first()?;
        Some(self.found(&[column], first, others, values.len()))
    }

    fn found(&self, columns: &[usize], first: &Hit, others: &[Hit], sampled: usize) -> Found {
        let name = |column: &usize| self.sample.columns[*column].name.clone();
        let other = |hit: &Hit| Other { layout: hit.layout.clone(), opened: hit.opened.len() };
        let key = self.trials.key(first.opener.key);
        Found {
            schema: self.sample.schema.clone(),
            table: self.sample.table.clone(),
            columns: columns.iter().map(name).collect(),
            primary_key: self.sample.primary_key.clone(),
            layout: first.layout.clone(),
            iv_bytes: first.layout.iv_bytes(),
            key_format: key.format.clone(),
            fingerprint: key.key.fingerprint().to_owned(),
            aad: self.templates[first.opener.aad].clone(),
            sampled,
            opened: first.opened.len(),
            sharing: Vec::new(),
            others: others.iter().map(other).collect(),
            key_id_column: columns.first().and_then(|column| self.key_id_column(&name(column))),
        }
    }

    /// A column beside that may name the key: it would have to be rewritten, too.
    fn key_id_column(&self, of: &str) -> Option<String> {
        let columns = self.sample.columns.iter().enumerate().filter(|(_, column)| column.name != of);
        let named = columns.filter(|(_, column)| {
            let name = column.name.to_ascii_lowercase();
            KEY_IDS.iter().any(|end| name.ends_with(end))
        });
        let mut few = named.filter(|(at, _)| {
            let cells: Vec<_> = self.sample.rows.iter().filter_map(|row| row.cells[*at].as_deref()).collect();
            let different: BTreeSet<_> = cells.iter().collect();
            !cells.is_empty() && different.len() <= 4
        });
        few.next().map(|(_, column)| column.name.clone())
    }

    /// What opens in a column and cannot be rotated, with its places.
    fn unreached(&self, column: usize) -> Vec<(Unreached, Place)> {
        let aads = self.sample.aads(self.templates, &self.sample.columns[column].name);
        let within = within::out_of_reach(self.sample, column);
        within.into_iter().filter_map(|within| Some((self.opened_within(&within, &aads)?, within.place))).collect()
    }

    fn opened_within(&self, within: &Within, aads: &[Vec<Vec<u8>>]) -> Option<Unreached> {
        let cells = &within.values;
        let values: Vec<Sealed<'_>> =
            cells.iter().map(|(row, bytes)| Sealed { parts: vec![Some(bytes)], aads: &aads[*row] }).collect();
        let place = shown(&within.place);
        let bytes: Vec<&[u8]> = cells.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let looks = || looks_encrypted(&place, &bytes).is_some();
        let hits = hits(&self.trials, &values, within.content, looks);
        let key = self.trials.key(hits.first()?.opener.key);
        let opened: BTreeSet<usize> = hits.iter().flat_map(|hit| hit.opened.iter().copied()).collect();
        Some(Unreached {
            schema: self.sample.schema.clone(),
            table: self.sample.table.clone(),
            sampled: values.len(),
            opened: opened.len(),
            fingerprint: key.key.fingerprint().to_owned(),
            place,
        })
    }

    fn suspect(&self, column: usize) -> Option<Suspect> {
        let cells: Vec<&[u8]> = self.sample.rows.iter().filter_map(|row| row.cells[column].as_deref()).collect();
        self.suspected(&self.sample.columns[column].name, &cells)
    }

    /// What looks encrypted inside of a column's values, beside what opened.
    fn suspects_within(&self, column: usize, opened: &[Place]) -> Vec<Suspect> {
        let all = within::all(self.sample, column).into_iter();
        let closed = all.filter(|within| !opened.iter().any(|place| within.place.starts_with(place)));
        let suspect = |within: Within| {
            let cells: Vec<&[u8]> = within.values.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            self.suspected(&shown(&within.place), &cells)
        };
        closed.filter_map(suspect).collect()
    }

    fn suspected(&self, place: &str, cells: &[&[u8]]) -> Option<Suspect> {
        let why = looks_encrypted(place, cells)?;
        let sampled = cells.iter().filter(|cell| !cell.is_empty()).count();
        let (schema, table) = (self.sample.schema.clone(), self.sample.table.clone());
        Some(Suspect { schema, table, column: place.to_owned(), sampled, why })
    }
}

const KEY_IDS: [&str; 5] = ["key_id", "keyid", "key_version", "kid", "key_fingerprint"];
