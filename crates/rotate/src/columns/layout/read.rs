//! From a stored value to its fields.

use super::split::split;
use super::{Field, Fields, Item, Layout, json, look};
use crate::columns::outcome::Unopened;

/// The fields of a value, one part for each column.
pub(super) fn decode(layout: &Layout, stored: &[Option<&[u8]>]) -> Result<Fields, Unopened> {
    if stored.len() != layout.outputs.len() {
        return Err(Unopened::Malformed("it has another number of columns than the layout"));
    }
    if stored.iter().all(|part| part.unwrap_or_default().is_empty()) {
        return Err(Unopened::Empty);
    }
    if look::only_the_secret_is_there(layout, stored) {
        return Err(Unopened::Plaintext);
    }
    let mut fields = Fields::default();
    for (output, part) in layout.outputs.iter().zip(stored) {
        let part = part.ok_or(Unopened::Malformed("one of its columns is NULL"))?;
        items(&output.items, part, &mut fields).map_err(|why| look::judge(output, part, why))?;
    }
    Ok(fields)
}

/// Reads items that follow each other.
pub(super) fn items(items: &[Item], value: &[u8], fields: &mut Fields) -> Result<(), Unopened> {
    let pieces = split(items, value).map_err(Unopened::Malformed)?;
    items.iter().zip(pieces).try_for_each(|(item, piece)| self::item(item, piece, fields))
}

fn item(item: &Item, piece: &[u8], fields: &mut Fields) -> Result<(), Unopened> {
    match item {
        Item::Text(text) if text.as_bytes() == piece => Ok(()),
        Item::Bytes(bytes) if bytes == piece => Ok(()),
        Item::Text(_) | Item::Bytes(_) => {
            Err(Unopened::Malformed("a text of the layout is not at its place, as when the iv has another length"))
        }
        Item::Field(field) => put(*field, piece, fields),
        Item::Coded(codec, inner) => {
            let (bytes, _) = codec.decode(piece).map_err(Unopened::Malformed)?;
            items(inner, &bytes, fields)
        }
        Item::Json(members) => json::read(members, piece, fields),
    }
}

fn put(field: Field, piece: &[u8], fields: &mut Fields) -> Result<(), Unopened> {
    match field {
        Field::Iv(_) => fields.iv = piece.to_vec(),
        Field::Ct => fields.ct = piece.to_vec(),
        Field::Salt(_) => fields.salt = piece.to_vec(),
        Field::Tag => fields.tag = piece.try_into().map_err(|_| Unopened::Malformed("its tag has not 16 bytes"))?,
        Field::Kid => {
            let id = str::from_utf8(piece).map_err(|_| Unopened::Malformed("its key id is no text"))?;
            id.clone_into(&mut fields.kid);
        }
    }
    Ok(())
}
