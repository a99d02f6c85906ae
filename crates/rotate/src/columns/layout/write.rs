//! From fields to a stored value, in the form of the one that was there.

use super::codec::Codec;
use super::split::split;
use super::{Field, Fields, Item, Layout, json};
use crate::columns::outcome::Unopened;

/// A value that was not there before.
pub(super) fn encode(layout: &Layout, fields: &Fields) -> Vec<Vec<u8>> {
    let column = |items: &[Item]| {
        let mut out = Vec::new();
        self::items(items, None, fields, &mut out).expect("only an old value can be malformed");
        out
    };
    layout.outputs.iter().map(|output| column(&output.items)).collect()
}

/// A value like the one that was there.
pub(super) fn encode_like(layout: &Layout, old: &[Option<&[u8]>], fields: &Fields) -> Result<Vec<Vec<u8>>, Unopened> {
    let column = |(output, old): (&super::Output, &Option<&[u8]>)| {
        let old = old.ok_or(Unopened::Malformed("one of its columns is NULL"))?;
        let mut out = Vec::with_capacity(old.len());
        items(&output.items, Some(old), fields, &mut out)?;
        Ok(out)
    };
    layout.outputs.iter().zip(old).map(column).collect()
}

/// Writes items that follow each other.
pub(super) fn items(items: &[Item], old: Option<&[u8]>, fields: &Fields, out: &mut Vec<u8>) -> Result<(), Unopened> {
    let pieces = old.map(|old| split(items, old)).transpose().map_err(Unopened::Malformed)?;
    for (at, item) in items.iter().enumerate() {
        self::item(item, pieces.as_ref().map(|pieces| pieces[at]), fields, out)?;
    }
    Ok(())
}

fn item(item: &Item, old: Option<&[u8]>, fields: &Fields, out: &mut Vec<u8>) -> Result<(), Unopened> {
    match item {
        Item::Text(text) => out.extend_from_slice(text.as_bytes()),
        Item::Bytes(bytes) => out.extend_from_slice(bytes),
        Item::Field(field) => out.extend_from_slice(content(*field, fields)),
        Item::Coded(codec, inner) => {
            let old = old.map(|old| codec.decode(old)).transpose().map_err(Unopened::Malformed)?;
            let (old, style) = old.map_or((None, Codec::usual()), |(bytes, style)| (Some(bytes), style));
            let mut bytes = Vec::with_capacity(old.as_ref().map_or(0, Vec::len));
            items(inner, old.as_deref(), fields, &mut bytes)?;
            codec.encode(&bytes, style, out);
        }
        Item::Json(members) => json::write(members, old, fields, out)?,
    }
    Ok(())
}

fn content(field: Field, fields: &Fields) -> &[u8] {
    match field {
        Field::Iv(_) => &fields.iv,
        Field::Tag => &fields.tag,
        Field::Ct => &fields.ct,
        Field::Salt(_) => &fields.salt,
        Field::Kid => fields.kid.as_bytes(),
    }
}
