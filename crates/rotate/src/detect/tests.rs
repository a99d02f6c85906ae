//! Every form that other programs wrote is found again, by the key alone.

use std::fs;

use serde::Deserialize;

use super::{Examined, Found, Row, Sample, SampledColumn, Suspect, TrialKey, examine};
use crate::columns::layout::Content;
use crate::columns::{AadTemplate, KeyFormat, Layout};

#[derive(Deserialize)]
struct Case {
    name: String,
    layout: String,
    key_format: String,
    secret: String,
    aad: String,
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Value {
    columns: Vec<Cell>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cell {
    Text(String),
    Bytes { hex: String },
}

impl Cell {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { hex } => hex::decode(hex).unwrap(),
        }
    }
}

fn cases() -> Vec<Case> {
    let read = |file: &str| -> Vec<Case> {
        let path = format!("{}/../../fixtures/ciphertexts/{file}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    read("node").into_iter().chain(read("python")).collect()
}

/// A table with the case's values, beside columns of other things.
fn sample(case: &Case) -> Sample {
    let layout: Layout = case.layout.parse().unwrap();
    let named = |(name, content): (Option<&str>, Content)| SampledColumn {
        name: name.unwrap_or("encrypted_value").to_owned(),
        content,
        is_compound: false,
    };
    let other = |name: &str| SampledColumn { name: name.to_owned(), content: Content::Text, is_compound: false };
    let columns = [other("note")].into_iter().chain(layout.columns().map(named)).chain([other("etag")]);
    let row = |(at, value): (usize, &Value)| {
        let cells = value.columns.iter().map(|cell| Some(cell.bytes()));
        let digest = format!("{:032x}", 0x0123_4567_89ab_cdef_u128 * (at as u128 + 7));
        Row {
            cells: [Some(b"a note of some length, with words in it".to_vec())]
                .into_iter()
                .chain(cells)
                .chain([Some(digest.into_bytes())])
                .collect(),
            aad: vec![Some("ev_1".to_owned())],
        }
    };
    Sample {
        schema: "public".to_owned(),
        table: "project_env_vars".to_owned(),
        primary_key: vec!["id".to_owned()],
        columns: columns.collect(),
        aad_columns: vec!["id".to_owned()],
        rows: case.values.iter().enumerate().map(row).collect(),
    }
}

fn found(case: &Case, keys: &[TrialKey], aads: &[AadTemplate]) -> (Vec<Found>, Vec<Suspect>) {
    let Examined { found, unreached, suspects } = examine(&sample(case), keys, aads);
    assert_eq!(unreached, []);
    (found, suspects)
}

fn key(case: &Case) -> Vec<TrialKey> {
    let format: KeyFormat = case.key_format.parse().unwrap();
    vec![TrialKey::new(&case.secret.clone().into(), format).unwrap()]
}

fn aads(case: &Case) -> Vec<AadTemplate> {
    if case.aad.is_empty() { Vec::new() } else { vec![case.aad.replace("ev_1", "{id}").parse().unwrap()] }
}

#[test]
fn every_fixture_is_found_in_its_layout() {
    for case in cases() {
        let (found, suspects) = found(&case, &key(&case), &aads(&case));
        assert_eq!(found.len(), 1, "{}: {found:?} {suspects:?}", case.name);
        let (one, layout) = (&found[0], case.layout.parse::<Layout>().unwrap());
        let same = |a: &Layout, b: &Layout| {
            let sorted = |layout: &Layout| {
                let text = layout.to_string();
                let mut parts: Vec<_> = text.split([',', '{', '}']).map(|part| part.trim().to_owned()).collect();
                parts.sort();
                parts
            };
            sorted(a) == sorted(b)
        };
        assert!(same(&one.layout, &layout), "{}: {} is not {layout}", case.name, one.layout);
        let all = if layout.has_salt() { case.values.len().min(5) } else { case.values.len() };
        assert_eq!((one.opened, one.sampled), (all, case.values.len()), "{}", case.name);
        assert_eq!(one.aad, aads(&case).pop().unwrap_or_default(), "{}", case.name);
        assert!(suspects.is_empty(), "{}: {suspects:?}", case.name);
    }
}

#[test]
fn another_key_finds_nothing_and_says_what_looks_encrypted() {
    for case in cases().iter().filter(|case| !case.key_format.contains('(')) {
        let other = TrialKey::all(&"another secret".to_owned().into()).unwrap();
        let other: Vec<_> = other.into_iter().filter(|key| !key.is_salted()).collect();
        let (found, suspects) = found(case, &other, &aads(case));
        assert!(found.is_empty(), "{}: {found:?}", case.name);
        if !case.layout.contains("json") {
            let named = suspects.iter().any(|suspect| suspect.column != "note" && suspect.column != "etag");
            assert!(named, "{}: {suspects:?}", case.name);
        }
    }
}

#[test]
fn the_way_in_which_the_key_is_made_is_found() {
    for case in cases().iter().filter(|case| case.aad.is_empty() && !case.key_format.contains('(')) {
        let keys = TrialKey::all(&case.secret.clone().into()).unwrap();
        let (found, _) = found(case, &keys, &[]);
        let format = found.first().map(|found| found.key_format.to_string()).unwrap_or_default();
        let expected = match case.name.as_str() {
            "briven-hex-key" => "hex",
            "briven-passphrase" => "sha256",
            _ => &case.key_format,
        };
        assert_eq!(format, expected, "{}", case.name);
    }
}

#[test]
fn without_its_aad_a_column_does_not_open() {
    for case in cases().iter().filter(|case| !case.aad.is_empty()) {
        let (found, suspects) = found(case, &key(case), &[]);
        assert!(found.is_empty() && !suspects.is_empty(), "{}", case.name);
    }
}
