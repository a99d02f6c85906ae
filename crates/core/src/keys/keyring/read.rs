//! From text to keys: every refusal names its place and repeats no value.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::encoding::Encoding;
use super::entry::{Facts, KeyEntry, KeyKind, KeyState};
use crate::error::{Error, Kind, Result};
use crate::keys::KeyId;

/// The keys of `text`, in their order.
pub(super) fn read(text: &str, origin: &str) -> Result<Vec<KeyEntry>> {
    let at = Places { text, origin };
    let (root, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        // What the parser says may quote the line, and a secret in it.
        return Err(at.refuse(error.span().unwrap_or_default(), "this is not TOML"));
    }
    let keys = tables(root.get_ref(), at)?.into_iter().map(|table| read_key(&table, at)).collect::<Result<Vec<_>>>()?;
    refuse_doubles(&keys, tables(root.get_ref(), at)?, at)?;
    Ok(keys)
}

/// The `[[key]]` tables, each with its place.
pub(super) fn tables<'a, 'i>(root: &'a DeTable<'i>, at: Places<'_>) -> Result<Vec<Table<'a, 'i>>> {
    let mut found = Vec::new();
    for (name, value) in root {
        let DeValue::Array(array) = value.get_ref() else {
            return Err(at.refuse(name.span(), "only [[key]] tables stand in a keyring"));
        };
        if name.get_ref() != "key" {
            return Err(at.refuse(name.span(), "only [[key]] tables stand in a keyring"));
        }
        for item in array.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                return Err(at.refuse(item.span(), "expected a [[key]] table"));
            };
            found.push(Table { table, span: item.span() });
        }
    }
    Ok(found)
}

/// A `[[key]]` table.
#[derive(Clone)]
pub(super) struct Table<'a, 'i> {
    pub(super) table: &'a DeTable<'i>,
    pub(super) span: Range<usize>,
}

impl<'a, 'i> Table<'a, 'i> {
    /// A value that must be text, where it is there.
    fn text(&self, name: &str, at: Places<'_>) -> Result<Option<(&'a str, Range<usize>)>> {
        let Some(value) = self.table.get(name) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some((text, value.span()))),
            _ => Err(at.refuse(value.span(), &format!("{name} must be a string in quotes"))),
        }
    }

    fn require(&self, name: &str, at: Places<'_>) -> Result<(&'a str, Range<usize>)> {
        self.text(name, at)?.ok_or_else(|| at.refuse(self.span.clone(), &format!("this [[key]] has no {name}")))
    }

    fn parsed<T>(
        &self,
        name: &str,
        at: Places<'_>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>> {
        let Some((text, span)) = self.text(name, at)? else { return Ok(None) };
        parse(text).map(Some).map_err(|why| at.refuse(span, &why))
    }

    fn time(&self, name: &str, at: Places<'_>) -> Result<Option<Timestamp>> {
        let Some(value) = self.table.get(name) else { return Ok(None) };
        let parsed = match value.get_ref() {
            DeValue::String(text) => text.parse().ok(),
            DeValue::Datetime(time) => time.to_string().parse().ok(),
            _ => None,
        };
        let why = format!("{name} is not a time such as \"2026-11-01T00:00:00Z\"");
        parsed.map(Some).ok_or_else(|| at.refuse(value.span(), &why))
    }

    /// The place of a value.
    pub(super) fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(name)
    }
}

fn read_key(table: &Table<'_, '_>, at: Places<'_>) -> Result<KeyEntry> {
    if let Some((name, _)) = table.table.iter().find(|(name, _)| !KNOWN.contains(&name.get_ref().as_ref())) {
        let why = format!("unknown key{}; known are {}", misspelt(name.get_ref()), KNOWN.join(", "));
        return Err(at.refuse(name.span(), &why));
    }
    table.require("kind", at)?;
    let kind = table.parsed("kind", at, |text| text.parse::<KeyKind>().map_err(|e| e.to_string()))?;
    let kind = kind.expect("required above");
    let facts = Facts {
        id: read_id(table, at)?,
        kind,
        state: read_state(table, kind, at)?,
        guessable: encoding(table, at)? == Encoding::Sha256Utf8,
        primary_since: table.time("primary_since", at)?,
        primary_until: table.time("primary_until", at)?,
    };
    let (secret, span) = table.require("secret", at)?;
    if facts.guessable && kind != KeyKind::Aes256 {
        return Err(at.refuse(span, "sha256(utf8) is for aes256 keys only"));
    }
    let secret = encoding(table, at)?.decode(secret).map_err(|why| at.refuse(span.clone(), &why))?;
    KeyEntry::new(facts, secret).map_err(|error| at.refuse(span, &error.to_string()))
}

/// A word is shown; what may be a secret on the wrong side of the `=` is not.
fn misspelt(name: &str) -> String {
    let word = name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word { format!(" `{name}`") } else { String::new() }
}

fn read_id(table: &Table<'_, '_>, at: Places<'_>) -> Result<KeyId> {
    let (id, span) = table.require("id", at)?;
    KeyId::symmetric(id).map_err(|error| {
        let refused = at.refuse(span, &format!("the id cannot be used: {error}"));
        refused.hint(error.help().unwrap_or_default().to_owned())
    })
}

fn read_state(table: &Table<'_, '_>, kind: KeyKind, at: Places<'_>) -> Result<KeyState> {
    let state = table.parsed("state", at, |text| match text.parse() {
        Ok(KeyState::Primary) if kind == KeyKind::X25519 => Err(X25519_PRIMARY.to_owned()),
        parsed => parsed.map_err(|error: Error| error.to_string()),
    })?;
    Ok(state.unwrap_or_default())
}

fn encoding(table: &Table<'_, '_>, at: Places<'_>) -> Result<Encoding> {
    let unknown = || "read an encoding: it is none of hex, base64, sha256(utf8)".to_owned();
    let found = table.parsed("encoding", at, |text| Encoding::named(text).ok_or_else(unknown))?;
    Ok(found.unwrap_or_default())
}

fn refuse_doubles(keys: &[KeyEntry], tables: Vec<Table<'_, '_>>, at: Places<'_>) -> Result<()> {
    let (mut ids, mut primaries) = (BTreeMap::new(), Vec::new());
    for (key, table) in keys.iter().zip(tables) {
        let line = at.line(table.span.start);
        for id in [key.id(), key.public_id()] {
            if let Some(first) = ids.insert(id.clone(), line).filter(|first| *first != line) {
                return Err(at.refuse(table.span, &format!("the key {id} is already at line {first}")));
            }
        }
        if key.state() == KeyState::Primary {
            if let Some((_, first)) = primaries.iter().find(|(kind, _)| *kind == key.kind()) {
                let why = format!("two {} keys are primary: the other is at line {first}", key.kind());
                return Err(at.refuse(table.span, &why).hint("the newer one is primary, the other enabled"));
            }
            primaries.push((key.kind(), line));
        }
    }
    Ok(())
}

/// The text that places are counted in.
#[derive(Clone, Copy)]
pub(super) struct Places<'t> {
    pub(super) text: &'t str,
    pub(super) origin: &'t str,
}

impl Places<'_> {
    fn line(self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// The error of what stands at `span`.
    pub(super) fn refuse(self, span: Range<usize>, why: &str) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let line = self.line(span.start);
        Error::new(Kind::Config, format!("read the keyring {}:{line}:{column}: {why}", self.origin))
    }
}

const KNOWN: [&str; 7] = ["id", "kind", "encoding", "secret", "state", "primary_since", "primary_until"];
pub(super) const X25519_PRIMARY: &str =
    "an x25519 key opens and does not seal: it cannot be primary; name its public half among the recipients";
