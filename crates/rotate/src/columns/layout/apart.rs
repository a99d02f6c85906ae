//! What of a value stands apart from its ciphertext, and so may be another value's as well.
//!
//! Whoever rewrites an IV in a column of its own takes it from everything else that was encrypted with it.

use super::{Content, Field, Item, Layout, collect};

/// What may be another value's as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// The IV: without it nothing opens for ever.
    Iv,
    /// The key's id: by a wrong one the application finds the wrong key.
    KeyId,
}

/// A column by its name, or a string of a document by the names of the objects that it lies in.
pub(crate) type Place = Vec<String>;

/// A part of a value that has a place of its own.
struct Piece {
    place: Place,
    content: Content,
    fields: Vec<Field>,
}

impl Piece {
    fn new(place: Place, content: Content, items: &[Item]) -> Self {
        let mut fields = Vec::new();
        collect(items, &mut fields);
        Self { place, content, fields }
    }

    fn is_value(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Ct | Field::Tag))
    }

    fn has_iv(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Iv(_)))
    }
}

/// Forms, and where each has what was moved.
type Layouts<'o> = Box<dyn Iterator<Item = (Vec<&'o Place>, Layout)> + 'o>;

/// A form with one of its pieces in each of the places that it does not take up yet.
fn moved_to<'o>(piece: &Piece, others: &'o [(Place, Content)], taken: Vec<&'o Place>, layout: Layout) -> Layouts<'o> {
    let (from, content) = (piece.place.clone(), piece.content);
    Box::new(others.iter().filter(move |(_, of)| *of == content).filter_map(move |(place, _)| {
        let is_free = !taken.contains(&place);
        is_free.then(|| ([taken.as_slice(), &[place]].concat(), layout.renamed(&from, place)))
    }))
}

impl Layout {
    /// What of a value stands apart from ciphertext and tag, where anything that is rewritten does, and where.
    pub(crate) fn apart(&self) -> Option<(Apart, Place)> {
        let pieces = self.pieces();
        let alone = |has: &dyn Fn(&Piece) -> bool| {
            pieces.iter().find(|piece| has(piece) && !piece.is_value()).map(|piece| piece.place.clone())
        };
        let iv = alone(&Piece::has_iv).map(|place| (Apart::Iv, place));
        iv.or_else(|| alone(&|piece| piece.fields.contains(&Field::Kid)).map(|place| (Apart::KeyId, place)))
    }

    /// The places that a value takes up.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.pieces().into_iter().map(|piece| piece.place).collect()
    }

    /// The same form with a ciphertext of `others`, and all that stands apart where it is: each with the place of the ciphertext. Made
    /// as they are asked for: of a wide table there are many.
    pub(crate) fn with_other_ciphertexts<'o>(
        &self,
        others: &'o [(Place, Content)],
    ) -> Box<dyn Iterator<Item = (Place, Layout)> + 'o> {
        let Some((apart, _)) = self.apart() else { return Box::new(std::iter::empty()) };
        let mut moved: Vec<_> = self.pieces().into_iter().filter(Piece::is_value).collect();
        if moved.is_empty() || (apart == Apart::KeyId && !moved.iter().any(Piece::has_iv)) {
            return Box::new(std::iter::empty());
        }
        moved.sort_by_key(|piece| !piece.fields.contains(&Field::Ct));
        let mut found: Layouts<'o> = Box::new(std::iter::once((Vec::new(), self.clone())));
        for piece in moved {
            found = Box::new(found.flat_map(move |(taken, layout)| moved_to(&piece, others, taken, layout)));
        }
        Box::new(found.filter_map(|(taken, layout)| Some(((*taken.first()?).clone(), layout))))
    }

    fn pieces(&self) -> Vec<Piece> {
        match self.outputs.as_slice() {
            [only] => match only.items.as_slice() {
                [Item::Json(members)] => {
                    let piece = |member: &super::Member| Piece::new(member.path.clone(), Content::Text, &member.items);
                    members.iter().map(piece).collect()
                }
                _ => Vec::new(),
            },
            several => {
                let place = |output: &super::Output| output.column.iter().cloned().collect();
                several.iter().map(|output| Piece::new(place(output), output.content, &output.items)).collect()
            }
        }
    }

    fn renamed(&self, from: &Place, to: &Place) -> Self {
        let mut layout = self.clone();
        match layout.outputs.as_mut_slice() {
            [only] => {
                for item in &mut only.items {
                    let Item::Json(members) = item else { continue };
                    members
                        .iter_mut()
                        .filter(|member| member.path == *from)
                        .for_each(|member| member.path = to.clone());
                }
            }
            several => {
                let named = several.iter_mut().filter(|output| output.column.as_ref() == from.first());
                named.for_each(|output| output.column = to.first().cloned());
            }
        }
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Layout, Place};

    #[test]
    fn other_forms_are_made_as_they_are_asked_for() {
        let layout: Layout = "columns{c: hex(ct), t: hex(tag), n: hex(iv)}".parse().unwrap();
        let others: Vec<(Place, Content)> = (0..100_000).map(|n| (vec![format!("o{n}")], Content::Text)).collect();
        let made: Vec<_> = layout.with_other_ciphertexts(&others).take(2).collect();
        let forms: Vec<_> = made.iter().map(|(place, form)| (place[0].as_str(), form.to_string())).collect();
        assert_eq!(
            forms,
            [
                ("o0", "columns{o0: hex(ct), o1: hex(tag), n: hex(iv)}".to_owned()),
                ("o0", "columns{o0: hex(ct), o2: hex(tag), n: hex(iv)}".to_owned())
            ]
        );
        let few = layout.with_other_ciphertexts(&others[..10]).count();
        assert_eq!(few, 90, "no column is both");
    }
}
