//! What of a value stands apart from its ciphertext, and so may be another value's as well.
//!
//! Whoever rewrites an IV in a column of its own takes it from everything else that was encrypted with it.

use super::{Content, Field, Fields, Item, Layout, Member, Output, collect, read};

/// What may be another value's as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// The IV: without it nothing opens for ever.
    Iv,
    /// The key's id: by a wrong one the application finds the wrong key.
    KeyId,
}

/// A column by its name, then the names of the objects that a string of its document lies in. What lies in an array has [`WITHIN`] for its
/// number.
pub(crate) type Place = Vec<String>;

/// Stands for any element of an array.
pub(crate) const WITHIN: &str = "[]";

/// A place as people write it.
pub(crate) fn shown(place: &[String]) -> String {
    place.join(".").replace(".[]", WITHIN)
}

/// A part of a value that has a place of its own.
pub(crate) struct Piece {
    pub(crate) place: Place,
    pub(crate) content: Content,
    items: Vec<Item>,
    fields: Vec<Field>,
}

impl Piece {
    fn new(place: Place, content: Content, items: &[Item]) -> Self {
        let mut fields = Vec::new();
        collect(items, &mut fields);
        Self { place, content, items: items.to_vec(), fields }
    }

    /// Whether it has the ciphertext or the tag, which no other value has.
    pub(crate) fn is_value(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Ct | Field::Tag))
    }

    pub(crate) fn has_ct(&self) -> bool {
        self.fields.contains(&Field::Ct)
    }

    pub(crate) fn has_iv(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Iv(_)))
    }

    pub(crate) fn has_salt(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Salt(_)))
    }

    /// Reads its fields from what lies there, or anywhere else. Whether that has its form.
    pub(crate) fn read(&self, stored: &[u8], fields: &mut Fields) -> bool {
        read::items(&self.items, stored, fields).is_ok()
    }
}

impl Layout {
    /// What of a value stands apart from ciphertext and tag, where anything that is rewritten does, and where. `column` is that of a layout
    /// which names none.
    pub(crate) fn apart(&self, column: &str) -> Option<(Apart, Place)> {
        let pieces = self.pieces(column);
        let alone = |has: &dyn Fn(&Piece) -> bool| {
            pieces.iter().find(|piece| has(piece) && !piece.is_value()).map(|piece| piece.place.clone())
        };
        let iv = alone(&Piece::has_iv).map(|place| (Apart::Iv, place));
        iv.or_else(|| alone(&|piece| piece.fields.contains(&Field::Kid)).map(|place| (Apart::KeyId, place)))
    }

    /// The parts of a value that have places of their own: columns, and strings of documents.
    pub(crate) fn pieces(&self, column: &str) -> Vec<Piece> {
        self.outputs.iter().flat_map(|output| pieces(output, output.column.as_deref().unwrap_or(column))).collect()
    }
}

fn pieces(output: &Output, column: &str) -> Vec<Piece> {
    let piece = |member: &Member| {
        let place = std::iter::once(column.to_owned()).chain(member.path.iter().cloned()).collect();
        Piece::new(place, Content::Text, &member.items)
    };
    match document(&output.items) {
        Some(members) => members.iter().map(piece).collect(),
        None => vec![Piece::new(vec![column.to_owned()], output.content, &output.items)],
    }
}

/// The strings of what is a document and nothing else, or one that is written in base64.
fn document(items: &[Item]) -> Option<&[Member]> {
    match items {
        [Item::Json(members)] => Some(members),
        [Item::Coded(_, inner)] => document(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, shown};

    #[test]
    fn pieces_lie_in_columns_and_in_their_documents() {
        let places = |layout: &str| {
            let layout: Layout = layout.parse().unwrap();
            let (_, apart) = layout.apart("doc").unwrap();
            let all: Vec<_> = layout.pieces("doc").iter().map(|piece| shown(&piece.place)).collect();
            (shown(&apart), all.join(" "))
        };
        let cases = [
            ("columns{c: hex(ct tag), n: hex(iv)}", "n", "c n"),
            ("json{a.iv: hex(iv), a.b: hex(ct tag)}", "doc.a.iv", "doc.a.iv doc.a.b"),
            ("base64(json{iv: hex(iv), b: hex(ct tag)})", "doc.iv", "doc.iv doc.b"),
            ("columns{m: json{iv: hex(iv)}, c: hex(ct tag)}", "m.iv", "m.iv c"),
        ];
        for (layout, apart, all) in cases {
            assert_eq!(places(layout), (apart.to_owned(), all.to_owned()), "{layout}");
        }
        assert!("base64(iv ct tag)".parse::<Layout>().unwrap().apart("doc").is_none());
    }
}
