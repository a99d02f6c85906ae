//! Ciphertexts inside JSON documents: strings are replaced in the document's own text, so that all else stays as it was.

mod fresh;
mod string;

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::string::JsonString;
use super::{Fields, Member, read, write as writing};
use crate::columns::outcome::Unopened;

/// Reads the strings that `members` name.
pub(super) fn read(members: &[Member], document: &[u8], fields: &mut Fields) -> Result<(), Unopened> {
    let strings = strings(members, document)?;
    members
        .iter()
        .zip(strings)
        .try_for_each(|(member, (_, string))| read::items(&member.items, string.text().as_bytes(), fields))
}

/// Writes the old document with other strings, or one that has these strings only.
pub(super) fn write(
    members: &[Member],
    old: Option<&[u8]>,
    fields: &Fields,
    out: &mut Vec<u8>,
) -> Result<(), Unopened> {
    let Some(document) = old else {
        let texts = members.iter().map(|member| content(member, None, fields)).collect::<Result<Vec<_>, _>>()?;
        let named = members.iter().zip(&texts).map(|(member, text)| (member.path.as_slice(), text.as_str()));
        out.extend_from_slice(fresh::document(&named.collect::<Vec<_>>()).as_bytes());
        return Ok(());
    };
    let mut changes = Vec::with_capacity(members.len());
    for (member, (span, string)) in members.iter().zip(strings(members, document)?) {
        let text = content(member, Some(string.text().as_bytes()), fields)?;
        changes.push((span, string.escape(&text)));
    }
    splice(document, changes, out);
    Ok(())
}

fn content(member: &Member, old: Option<&[u8]>, fields: &Fields) -> Result<String, Unopened> {
    let mut text = Vec::new();
    writing::items(&member.items, old, fields, &mut text)?;
    String::from_utf8(text).map_err(|_| Unopened::Malformed("a part of it is no text"))
}

fn splice(document: &[u8], mut changes: Vec<(Range<usize>, String)>, out: &mut Vec<u8>) {
    changes.sort_by_key(|(span, _)| span.start);
    let mut copied = 0;
    for (span, text) in changes {
        out.extend_from_slice(&document[copied..span.start]);
        out.extend_from_slice(text.as_bytes());
        copied = span.end;
    }
    out.extend_from_slice(&document[copied..]);
}

/// Each member's string, with its place in the document.
fn strings(members: &[Member], document: &[u8]) -> Result<Vec<(Range<usize>, JsonString)>, Unopened> {
    let values = members.iter().map(|member| at(document, &member.path)).collect::<Result<Vec<_>, _>>();
    let values = values.map_err(Unopened::Malformed)?;
    if values.iter().all(Option::is_none) {
        return Err(absent(members, document));
    }
    let mut strings = Vec::with_capacity(values.len());
    for value in values {
        let value = value.ok_or(Unopened::Malformed("a member of its JSON is missing"))?;
        let string = JsonString::parse(value.get()).map_err(Unopened::Malformed)?;
        strings.push((span(document, value.get()), string));
    }
    let empty = strings.iter().all(|(_, string)| string.text().is_empty());
    if empty { Err(Unopened::Empty) } else { Ok(strings) }
}

/// What it means that no member is there: that the secret is not set, or that all of this is something else.
fn absent(members: &[Member], document: &[u8]) -> Unopened {
    let [first, others @ ..] = members else { return Unopened::Empty };
    if others.is_empty() {
        return Unopened::Empty;
    }
    let shared = |depth: &usize| others.iter().all(|other| other.path.get(*depth) == first.path.get(*depth));
    let around = &first.path[..(0..first.path.len()).take_while(shared).count()];
    match at(document, around) {
        Ok(None) => Unopened::Empty,
        _ => Unopened::Plaintext,
    }
}

/// The value at a path. Nothing when it is not there, or null.
fn at<'d>(document: &'d [u8], path: &[String]) -> Result<Option<&'d RawValue>, &'static str> {
    let mut value: &RawValue = serde_json::from_slice(document).map_err(|_| "it is not JSON")?;
    for step in path {
        if value.get() == "null" {
            return Ok(None);
        }
        let Entries(entries) = serde_json::from_str(value.get()).map_err(|_| "its JSON has no object there")?;
        let mut named = entries.into_iter().filter(|(name, _)| name == step);
        value = match (named.next(), named.next()) {
            (None, _) => return Ok(None),
            (Some((_, value)), None) => value,
            _ => return Err("a member of its JSON is there twice"),
        };
    }
    Ok(Some(value).filter(|value| value.get() != "null"))
}

/// Where a piece of the document lies in it.
fn span(document: &[u8], piece: &str) -> Range<usize> {
    let start = piece.as_ptr() as usize - document.as_ptr() as usize;
    start..start + piece.len()
}

/// An object's members as they are written, doubles too.
struct Entries<'d>(Vec<(String, &'d RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
