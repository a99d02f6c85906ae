//! Whether a value that does not have the layout looks like something nobody encrypted. Neither is ever written; the operator
//! looks for other causes.

use super::extent::extent;
use super::{Content, Field, Item, Layout, Output, collect};
use crate::columns::outcome::Unopened;

/// A value that could not be read because of `why`: perhaps it is plaintext.
pub(super) fn judge(output: &Output, value: &[u8], why: Unopened) -> Unopened {
    match why {
        Unopened::Malformed(_) if is_plain(output, value) => Unopened::Plaintext,
        why => why,
    }
}

/// Whether of several columns the ciphertext's alone is filled: rows from before there was encryption.
pub(super) fn only_the_secret_is_there(layout: &Layout, stored: &[Option<&[u8]>]) -> bool {
    let (Some(secret), Some(iv)) = (holder(layout, "ct"), holder(layout, "iv")) else { return false };
    let filled = |at: usize| !stored[at].unwrap_or_default().is_empty();
    secret != iv && filled(secret) && (0..stored.len()).all(|at| at == secret || !filled(at))
}

fn holder(layout: &Layout, field: &str) -> Option<usize> {
    layout.outputs.iter().position(|output| holds(&output.items, |found| found.name() == field))
}

fn holds(items: &[Item], wanted: impl Fn(Field) -> bool) -> bool {
    let mut found = Vec::new();
    collect(items, &mut found);
    found.into_iter().any(wanted)
}

fn is_plain(output: &Output, value: &[u8]) -> bool {
    let short = value.len() < extent(&output.items).least();
    if output.content == Content::Bytes {
        return short && str::from_utf8(value).is_ok_and(|text| !text.contains(char::is_control));
    }
    match output.items.first() {
        Some(Item::Json(members)) => !begins_as_json(value, members.iter().all(|member| member.path.is_empty())),
        Some(first) if first.is_literal() => !value.starts_with(first.literal().unwrap_or_default()),
        _ if output.items.iter().any(Item::is_literal) => {
            lacks_separators(&output.items, value) || is_strange(&output.items, value)
        }
        _ => short || is_strange(&output.items, value),
    }
}

fn begins_as_json(value: &[u8], string: bool) -> bool {
    value.trim_ascii_start().first() == Some(if string { &b'"' } else { &b'{' })
}

fn lacks_separators(items: &[Item], value: &[u8]) -> bool {
    let has = |separator: &[u8]| value.windows(separator.len()).any(|window| window == separator);
    !items.iter().filter_map(Item::literal).any(has)
}

/// Whether more than one in sixteen of its characters is none that the layout writes.
fn is_strange(items: &[Item], value: &[u8]) -> bool {
    let strangers = value.iter().filter(|byte| !items.iter().any(|item| writes(item, **byte))).count();
    strangers * 16 > value.len()
}

fn writes(item: &Item, byte: u8) -> bool {
    match item {
        Item::Coded(codec, _) => codec.writes(byte),
        Item::Field(_) | Item::Json(_) => true,
        Item::Text(_) | Item::Bytes(_) => item.literal().is_some_and(|literal| literal.contains(&byte)),
    }
}
