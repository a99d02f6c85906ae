//! Which layouts a JSON document could have: strings deep in it, and strings that belong together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::forms::{CODECS, IVS, WITHOUT_IV};
use super::texts::{decode, quoted};
use crate::columns::layout::{Content, Place, WITHIN};

/// The strings of a document, by the names of the objects they lie in.
pub(super) type Leaves = BTreeMap<Vec<String>, String>;

/// The strings of a document. Nothing when the text is none, or neither an object nor a string.
pub(super) fn leaves(text: &str) -> Option<Leaves> {
    if !text.trim_start().starts_with(['{', '"']) {
        return None;
    }
    let mut found = Leaves::new();
    collect(&serde_json::from_str(text).ok()?, &mut Vec::new(), &mut found);
    Some(found)
}

/// Every string of a document, also of one that is written in base64, with the names of what it lies in; arrays' elements have none of
/// their own. Nothing when the value is no document.
pub(super) fn strings(value: &[u8]) -> Option<Vec<(Place, String)>> {
    every(value, |_| WITHIN.to_owned())
}

/// The same, with the number of each element in its array.
pub(super) fn numbered(value: &[u8]) -> Option<Vec<(Place, String)>> {
    every(value, |number| format!("[{number}]"))
}

/// The place of a numbered string among those that [`strings`] gives.
pub(super) fn unnumbered(place: &[String]) -> Place {
    let number = |name: &str| name.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok();
    place.iter().map(|name| number(name).map_or_else(|| name.clone(), |_| WITHIN.to_owned())).collect()
}

fn document(value: &[u8]) -> Option<Value> {
    let text = str::from_utf8(value).ok()?;
    parsed(text).or_else(|| {
        let coded = CODECS.iter().filter_map(|codec| decode(text, codec)).find(|bytes| bytes.first() == Some(&b'{'))?;
        parsed(str::from_utf8(&coded).ok()?)
    })
}

/// What lies in the arrays of a document, by the names of these: strings, and objects as documents of their own. What else an element
/// holds is in an array again.
pub(super) fn elements(value: &[u8]) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    if let Some(document) = document(value) {
        in_arrays(&document, &mut Vec::new(), &mut found);
    }
    found
}

fn in_arrays(value: &Value, place: &mut Place, found: &mut Vec<(Place, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                place.push(name.clone());
                in_arrays(value, place, found);
                place.pop();
            }
        }
        Value::Array(elements) => {
            place.push(WITHIN.to_owned());
            for element in elements {
                match element {
                    Value::String(text) => found.push((place.clone(), text.clone())),
                    Value::Object(_) => found.push((place.clone(), element.to_string())),
                    _ => {}
                }
                in_arrays(element, place, found);
            }
            place.pop();
        }
        _ => {}
    }
}

/// The texts in what the server prints of an array, of hstore, XML or a composite type, and the bytes.
pub(super) fn parts(printed: &[u8]) -> Vec<(Content, Vec<u8>)> {
    let text = str::from_utf8(printed).unwrap_or_default();
    let parts = text.split(|letter: char| letter.is_whitespace() || AROUND_PARTS.contains(letter));
    let part = |part: &str| match part.strip_prefix('x').and_then(|digits| hex::decode(digits).ok()) {
        Some(bytes) => (Content::Bytes, bytes),
        None => (Content::Text, part.as_bytes().to_vec()),
    };
    parts.filter(|part| !part.is_empty()).map(part).collect()
}

fn parsed(text: &str) -> Option<Value> {
    text.trim_start().starts_with(['{', '[', '"']).then(|| serde_json::from_str(text).ok())?
}

fn every(value: &[u8], number: fn(usize) -> String) -> Option<Vec<(Place, String)>> {
    let mut found = Vec::new();
    add_every(document(value)?, number, &mut Vec::new(), &mut found);
    Some(found)
}

fn add_every(value: Value, number: fn(usize) -> String, place: &mut Place, found: &mut Vec<(Place, String)>) {
    let mut within = |name: String, value: Value| {
        place.push(name);
        add_every(value, number, place, found);
        place.pop();
    };
    match value {
        Value::String(text) => found.push((place.clone(), text)),
        Value::Object(members) => members.into_iter().for_each(|(name, value)| within(name, value)),
        Value::Array(elements) => elements.into_iter().enumerate().for_each(|(at, value)| within(number(at), value)),
        _ => {}
    }
}

fn collect(value: &Value, path: &mut Vec<String>, found: &mut Leaves) {
    match value {
        Value::String(text) if found.len() < LEAVES => {
            found.insert(path.clone(), text.clone());
        }
        Value::Object(members) => {
            for (name, value) in members {
                path.push(name.clone());
                collect(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The expression of a document whose string at `path` has the layout `inner`.
pub(super) fn at(path: &[String], inner: &str) -> String {
    if path.is_empty() { format!("json({inner})") } else { format!("json{{{}: {inner}}}", named(path)) }
}

/// Layouts of documents whose IV, tag and ciphertext are strings of their own, as expressions.
pub(super) fn spread(document: &Leaves) -> Vec<String> {
    let mut found = Vec::new();
    for codec in CODECS {
        let sized: Vec<(&Vec<String>, usize)> =
            document.iter().filter_map(|(path, text)| Some((path, decode(text, codec)?.len()))).collect();
        let of = |bytes: usize| sized.iter().filter(move |(_, length)| *length == bytes).map(|(path, _)| *path);
        for (iv, field) in of(12).map(|path| (path, IVS[0])).chain(of(16).map(|path| (path, IVS[1]))) {
            let iv_text = format!("{}: {codec}({field})", named(iv));
            for (ct, _) in sized.iter().filter(|(path, _)| *path != iv) {
                for run in WITHOUT_IV {
                    found.push(format!("json{{{iv_text}, {}: {codec}({run})}}", named(ct)));
                }
                for tag in of(16).filter(|path| *path != iv && path != ct) {
                    let (ct, tag) = (named(ct), named(tag));
                    found.push(format!("json{{{iv_text}, {ct}: {codec}(ct), {tag}: {codec}(tag)}}"));
                }
            }
        }
    }
    found.truncate(SPREAD);
    found
}

fn named(path: &[String]) -> String {
    let is_word = |step: &String| {
        !step.is_empty() && step.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    };
    let step = |step: &String| if is_word(step) { step.clone() } else { quoted(step) };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

/// How many strings of a document are looked at, and how many ways of putting three of them together are tried.
const LEAVES: usize = 64;
const SPREAD: usize = 2000;
/// What stands around the parts of arrays, of hstore, XML and composite types.
const AROUND_PARTS: &str = "{}()[]<>,\"'\\&;";
