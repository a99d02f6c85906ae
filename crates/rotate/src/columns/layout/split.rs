//! Which bytes of a value belong to which piece of the layout.

use super::Item;
use super::extent::{Extent, extent};

/// The bytes of each item. `rules` made sure that there is one way only.
pub(super) fn split<'v>(items: &[Item], value: &'v [u8]) -> Result<Vec<&'v [u8]>, &'static str> {
    let mut pieces = Vec::with_capacity(items.len());
    let (mut items, mut value) = (items, value);
    while !items.is_empty() {
        let (stretch, following) = items.split_at(stretch(items));
        let end = match following.first() {
            Some(separator) => find(stretch, separator, value)?,
            None => value.len(),
        };
        let (bytes, rest) = value.split_at(end);
        cut(stretch, bytes, &mut pieces)?;
        (items, value) = (following, rest);
    }
    if value.is_empty() { Ok(pieces) } else { Err(WRONG_LENGTH) }
}

/// How many items can be told apart by their lengths: all when one at most has no fixed length, else those before the
/// literal that follows the first of these.
pub(super) fn stretch(items: &[Item]) -> usize {
    let mut loose = items.iter().enumerate().filter(|(_, item)| !item.extent().is_fixed()).map(|(at, _)| at);
    match (loose.next(), loose.next()) {
        (Some(first), Some(_)) => {
            let literal = items[first..].iter().position(Item::is_literal);
            literal.map_or(items.len(), |further| first + further)
        }
        _ => items.len(),
    }
}

/// The end of the stretch: where the separator begins. What comes first in the stretch may hold the same characters.
fn find(stretch: &[Item], separator: &Item, value: &[u8]) -> Result<usize, &'static str> {
    let separator = separator.literal().unwrap_or_default();
    let fixed = stretch.iter().map(|item| item.extent()).take_while(|extent| extent.is_fixed());
    let from = fixed.map(Extent::least).sum();
    let searched = value.get(from..).ok_or(WRONG_LENGTH)?;
    let found = searched.windows(separator.len()).position(|window| window == separator);
    found.map(|at| from + at).ok_or("a separator of the layout is missing")
}

/// Cuts by lengths: at most one item has none, and takes what the others leave.
fn cut<'v>(items: &[Item], bytes: &'v [u8], pieces: &mut Vec<&'v [u8]>) -> Result<(), &'static str> {
    let spare = bytes.len().checked_sub(extent_of_fixed(items)).ok_or(WRONG_LENGTH)?;
    if spare > 0 && extent(items).is_fixed() {
        return Err(WRONG_LENGTH);
    }
    let mut rest = bytes;
    for item in items {
        let length = match item.extent() {
            Extent::Fixed(length) => length,
            Extent::AtLeast(_) => spare,
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    Ok(())
}

fn extent_of_fixed(items: &[Item]) -> usize {
    items.iter().map(|item| item.extent()).filter(|extent| extent.is_fixed()).map(Extent::least).sum()
}

const WRONG_LENGTH: &str = "a part has another length than the layout says";
