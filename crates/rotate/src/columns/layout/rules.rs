//! What a layout must be: readable from a value in one way, and complete.

use std::ops::Range;

use super::{Content, Field, Item, Layout, Output, split};

/// What is wrong with the item at an index, and what can be done.
pub(super) type Fault = (usize, String, &'static str);

/// Refuses items that could be cut in two ways.
pub(super) fn one_way(items: &[Item], content: Content) -> Result<(), Fault> {
    let mut from = 0;
    while from < items.len() {
        let stretch = split::stretch(&items[from..]);
        let (inside, following) = items[from..].split_at(stretch);
        alone(inside, from)?;
        if let Some(separator) = following.first() {
            separates(inside, separator, content).map_err(|(what, hint)| (from + stretch, what, hint))?;
        }
        from += stretch;
    }
    Ok(())
}

/// Whatever can be searched for in vain stands between separators by itself.
fn alone(stretch: &[Item], from: usize) -> Result<(), Fault> {
    let mut loose = stretch.iter().enumerate().filter(|(_, item)| !item.extent().is_fixed());
    let (_first, Some((second, item))) = (loose.next(), loose.next()) else { return Ok(()) };
    let what = format!("nothing tells where `{item}` begins: it and what stands before it have no fixed length");
    Err((from + second, what, "put what separates them between, in quotes, or give a length, as in salt/16"))
}

/// A separator is found by looking for it: nothing before it may hold its first character.
fn separates(stretch: &[Item], separator: &Item, content: Content) -> Result<(), (String, &'static str)> {
    let first = separator.literal().and_then(|literal| literal.first()).copied().unwrap_or_default();
    let mut searched = stretch.iter().skip_while(|item| item.extent().is_fixed());
    let Some(item) = searched.find(|item| may_hold(item, first, content)) else { return Ok(()) };
    let what = format!("{separator} does not separate: `{item}` may hold the same characters");
    Err((what, "a separator begins with a character that what stands before it never holds, such as : or ."))
}

fn may_hold(item: &Item, byte: u8, content: Content) -> bool {
    match item {
        Item::Text(_) | Item::Bytes(_) => item.literal().is_some_and(|literal| literal.contains(&byte)),
        Item::Coded(codec, _) => codec.writes(byte),
        // As text, a key id or a salt ends where the separator begins; `Layout::check_key_id` looks at ids.
        Item::Field(Field::Kid | Field::Salt(None)) => content == Content::Bytes,
        Item::Field(_) | Item::Json(_) => true,
    }
}

/// The fields that a complete layout lacks or has twice, with the place of the second.
pub(super) fn complete(
    layout: &Layout,
    places: &[(Field, Range<usize>)],
) -> Result<(), (Range<usize>, String, &'static str)> {
    let mut seen: Vec<&str> = Vec::new();
    for (field, place) in places {
        if seen.contains(&field.name()) {
            return Err((place.clone(), format!("`{}` stands here a second time", field.name()), "each stands once"));
        }
        seen.push(field.name());
    }
    let end = places.last().map_or(0..0, |(_, place)| place.end..place.end);
    for (name, hint) in NEEDED {
        if !seen.contains(&name) {
            return Err((end, format!("the layout has no `{name}`"), hint));
        }
    }
    debug_assert_eq!(layout.fields().count(), places.len());
    Ok(())
}

/// The second of two columns of the same name.
pub(super) fn doubled(outputs: &[Output]) -> Option<usize> {
    (1..outputs.len()).find(|&at| outputs[..at].iter().any(|earlier| earlier.column == outputs[at].column))
}

/// The second of two paths of which one lies in the other.
pub(super) fn overlapping(paths: &[Vec<String>]) -> Option<usize> {
    let overlap = |a: &[String], b: &[String]| a.starts_with(b) || b.starts_with(a);
    (1..paths.len()).find(|&at| paths[..at].iter().any(|earlier| overlap(earlier, &paths[at])))
}

const NEEDED: [(&str, &str); 3] = [
    ("iv", "write iv for 12 bytes, iv/16 for 16; some call it nonce"),
    ("ct", "ct is the ciphertext"),
    ("tag", "Go, Python and WebCrypto append it to the ciphertext: `ct tag`; Node gives it by getAuthTag()"),
];
