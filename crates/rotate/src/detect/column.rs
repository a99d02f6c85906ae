//! What a single column holds: candidates for its layout by its values' looks, then a trial of each.

use std::collections::BTreeSet;

use super::documents;
use super::forms::runs;
use super::texts;
use super::trial::{Opener, Sealed, Trials};
use crate::columns::Layout;
use crate::columns::layout::Content;

/// A layout that opened something.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) layout: Layout,
    pub(super) opener: Opener,
    /// Places, among the values that were tried, of those that opened.
    pub(super) opened: BTreeSet<usize>,
}

/// Layouts that open values, the one that opens most first; the others open some that those before them do not. What takes
/// long, a key derived for each value, is tried on what looks encrypted and opened in no other way.
pub(super) fn hits(
    trials: &Trials<'_>,
    values: &[Sealed<'_>],
    content: Content,
    looks_encrypted: impl FnOnce() -> bool,
) -> Vec<Hit> {
    let picks = picks(values, content);
    let hits = |salted: bool| {
        let expressions = expressions(trials, &picks, content, salted);
        let hits = expressions.iter().filter_map(|expression| tried(trials, expression, &picks, values));
        best(hits.collect(), values)
    };
    let found = if trials.any(false) { hits(false) } else { Vec::new() };
    if found.is_empty() && trials.any(true) && looks_encrypted() { hits(true) } else { found }
}

/// What an expression opens, if anything of `picks`.
pub(super) fn tried(
    trials: &Trials<'_>,
    expression: &str,
    picks: &[&Sealed<'_>],
    values: &[Sealed<'_>],
) -> Option<Hit> {
    let layout = Layout::parse(expression).ok()?;
    let few = if layout.has_salt() { SALTED_PICKS } else { picks.len() };
    let opener = picks.iter().take(few).find_map(|value| trials.opener(&layout, value))?;
    let sampled = if layout.has_salt() { SALTED_SAMPLE } else { values.len() };
    let opens = |(at, value): (usize, &Sealed<'_>)| trials.opens(&layout, opener, value).then_some(at);
    let opened = values.iter().enumerate().take(sampled).filter_map(opens).collect();
    Some(Hit { layout, opener, opened })
}

/// The best first, and of the others what is new in them.
pub(super) fn best(mut found: Vec<Hit>, values: &[Sealed<'_>]) -> Vec<Hit> {
    let rank = |hit: &Hit| (hit.opened.len(), fits_padding(hit, values));
    // Stable: of equals, the likelier one stands first.
    found.sort_by_key(|hit| std::cmp::Reverse(rank(hit)));
    let mut covered = BTreeSet::new();
    found.retain(|hit| {
        let adds = !hit.opened.is_subset(&covered);
        covered.extend(hit.opened.iter().copied());
        adds
    });
    found
}

/// base64 and base64url of a few values may be the same characters: who leaves the padding out writes the second.
fn fits_padding(hit: &Hit, values: &[Sealed<'_>]) -> bool {
    let expression = hit.layout.to_string();
    let unpadded = |at: &usize| {
        let text = values.get(*at).and_then(|value| value.parts.first().copied().flatten()).unwrap_or_default();
        !text.ends_with(b"=") && !text.len().is_multiple_of(4)
    };
    expression.contains("base64url") == (expression.contains("base64") && hit.opened.iter().any(unpadded))
}

/// Some values, spread over the sample, that are long enough to be ciphertexts.
fn picks<'v, 'r>(values: &'v [Sealed<'r>], content: Content) -> Vec<&'v Sealed<'r>> {
    let least = if content == Content::Bytes { RAW } else { TEXT };
    let long: Vec<_> = values.iter().filter(|value| only(value).is_some_and(|bytes| bytes.len() >= least)).collect();
    let step = long.len().div_ceil(PICKS).max(1);
    long.into_iter().step_by(step).collect()
}

/// The value of a single column.
fn only<'r>(value: &Sealed<'r>) -> Option<&'r [u8]> {
    value.parts.first().copied().flatten()
}

fn expressions(trials: &Trials<'_>, picks: &[&Sealed<'_>], content: Content, salted: bool) -> Vec<String> {
    match content {
        Content::Text => of_texts(trials, picks, salted),
        Content::Bytes => of_bytes(trials, picks, salted),
    }
}

fn of_texts(trials: &Trials<'_>, picks: &[&Sealed<'_>], salted: bool) -> Vec<String> {
    let all: Vec<&str> = picks.iter().filter_map(|value| str::from_utf8(only(value)?).ok()).collect();
    // Prose is no ciphertext.
    let dense: Vec<&str> = all.iter().copied().filter(|text| !text.contains(char::is_whitespace)).collect();
    let mut found = texts::layouts(&dense, salted);
    if !salted {
        found.extend(of_documents(trials, picks));
    }
    found
}

/// Documents, and such as are written in base64.
fn of_documents(trials: &Trials<'_>, picks: &[&Sealed<'_>]) -> Vec<String> {
    let texts: Vec<_> = picks.iter().filter_map(|value| Some((*value, str::from_utf8(only(value)?).ok()?))).collect();
    let mut found = in_documents(trials, texts.iter().map(|(value, text)| (*value, (*text).to_owned())));
    let coded = texts.iter().filter_map(|(value, text)| {
        let decoded = texts::decode(text, "base64")?;
        Some((*value, String::from_utf8(decoded).ok().filter(|text| text.starts_with('{'))?))
    });
    found.extend(in_documents(trials, coded).into_iter().map(|document| format!("base64({document})")));
    found
}

fn in_documents<'v>(trials: &Trials<'_>, texts: impl Iterator<Item = (&'v Sealed<'v>, String)>) -> Vec<String> {
    let documents: Vec<_> = texts.filter_map(|(value, text)| Some((value, documents::leaves(&text)?))).collect();
    let mut found = BTreeSet::new();
    for (_, leaves) in documents.iter().take(SHAPES) {
        found.extend(documents::spread(leaves));
    }
    let paths: BTreeSet<_> = documents.iter().flat_map(|(_, leaves)| leaves.keys()).collect();
    for path in paths {
        let inner: Vec<Sealed<'_>> = documents
            .iter()
            .filter_map(|(value, leaves)| {
                Some(Sealed { parts: vec![Some(leaves.get(path)?.as_bytes())], aads: value.aads })
            })
            .collect();
        let picked: Vec<_> = inner.iter().collect();
        let dense: Vec<&str> = picked.iter().filter_map(|value| str::from_utf8(only(value)?).ok()).collect();
        let dense: Vec<&str> =
            dense.into_iter().filter(|text| text.len() >= TEXT && !text.contains(char::is_whitespace)).collect();
        let forms = texts::layouts(&dense, false);
        let hits: Vec<_> = forms.iter().filter_map(|form| tried(trials, form, &picked, &inner)).collect();
        found.extend(best(hits, &inner).into_iter().map(|hit| documents::at(path, &hit.layout.to_string())));
    }
    found.into_iter().collect()
}

/// Bytes; and bytes that are a text.
fn of_bytes(trials: &Trials<'_>, picks: &[&Sealed<'_>], salted: bool) -> Vec<String> {
    let values: Vec<&[u8]> = picks.iter().filter_map(|value| only(value)).collect();
    let mut found = Vec::new();
    for lead in texts::leads_of(&values) {
        found.extend(runs(salted).into_iter().map(|run| format!("bytes({lead}{run})")));
    }
    if values.iter().all(|value| value.is_ascii()) {
        found.extend(of_texts(trials, picks, salted).into_iter().map(|form| format!("bytes({form})")));
    }
    found
}

/// How many values of a column are tried with every layout, and how many with one that derives a key for each.
const PICKS: usize = 16;
const SALTED_PICKS: usize = 1;
/// How many values are then opened with a layout that derives a key for each.
const SALTED_SAMPLE: usize = 5;
/// How many documents' shapes are looked at.
const SHAPES: usize = 4;
/// IV and tag.
const RAW: usize = 12 + 16;
/// The same in base64.
pub(super) const TEXT: usize = 38;
