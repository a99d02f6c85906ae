//! Values that open with what another value's rotation replaces: an IV, or a key's id, that both were given.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::documents;
use super::sample::{Row, Sample};
use super::trial::{TrialKey, Trials};
use crate::columns::layout::{Apart, Content, Fields, Piece, Place, WITHIN, shown};
use crate::columns::{AadTemplate, Layout};

/// What opens with what stands apart.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Columns of the table, and strings of the documents in them.
    pub(crate) places: Vec<String>,
    /// Whether there were more ways of putting a ciphertext and a tag together than are tried.
    pub(crate) is_cut: bool,
}

/// What opens in the row of a value, beside that value, with what its layout keeps apart. `column` is that of a layout which names none.
/// Ends early when `stop` says so.
pub(crate) fn rivals(
    keys: &[TrialKey],
    sample: &Sample,
    layout: &Layout,
    column: &str,
    templates: &[AadTemplate],
    stop: &dyn Fn() -> bool,
) -> Found {
    let Some(mut search) = Search::new(keys, sample, layout, column, templates) else { return Found::default() };
    let rows = if layout.has_salt() { SALTED_ROWS } else { sample.rows.len() };
    for (at, row) in sample.rows.iter().enumerate().take(rows) {
        search.row(at, row, stop);
    }
    Found { places: search.found.into_iter().collect(), is_cut: search.is_cut }
}

struct Search<'a> {
    sample: &'a Sample,
    trials: Trials<'a>,
    templates: &'a [AadTemplate],
    is_salted: bool,
    /// How many ways are tried in a row.
    limit: usize,
    apart: (Apart, Place),
    /// The places of the value itself.
    own: Vec<Place>,
    /// What another value has in common with this one, and what it has of its own, the ciphertext first.
    common: Vec<Piece>,
    moved: Vec<Piece>,
    /// For each column that may hold a ciphertext, and each row.
    aads: BTreeMap<String, Vec<Vec<Vec<u8>>>>,
    /// As people write them.
    found: BTreeSet<String>,
    is_cut: bool,
}

impl<'a> Search<'a> {
    /// Nothing where no other value could have anything in common with this one.
    fn new(
        keys: &'a [TrialKey],
        sample: &'a Sample,
        layout: &Layout,
        column: &str,
        templates: &'a [AadTemplate],
    ) -> Option<Self> {
        let apart = layout.apart(column)?;
        let pieces = layout.pieces(column);
        let own = pieces.iter().map(|piece| piece.place.clone()).collect();
        let (mut moved, common): (Vec<_>, Vec<_>) = pieces.into_iter().partition(Piece::is_value);
        if moved.is_empty() || (apart.0 == Apart::KeyId && !moved.iter().any(Piece::has_iv)) {
            return None;
        }
        moved.sort_by_key(|piece| !piece.has_ct());
        Some(Self {
            sample,
            trials: Trials::new(keys),
            templates,
            is_salted: layout.has_salt(),
            limit: if moved.iter().any(Piece::has_salt) { SALTED_COMBINATIONS } else { COMBINATIONS },
            apart,
            own,
            common,
            moved,
            aads: BTreeMap::new(),
            found: BTreeSet::new(),
            is_cut: false,
        })
    }

    fn row(&mut self, at: usize, row: &Row, stop: &dyn Fn() -> bool) {
        let (own, others): (Vec<_>, Vec<_>) =
            cells(self.sample, row).into_iter().partition(|cell| self.own.contains(&cell.place));
        let Some((shared, common)) = self.common_fields(&own) else { return };
        let copies: Vec<&Place> =
            others.iter().filter(|cell| cell.bytes == shared.bytes).map(|cell| &cell.place).collect();
        let of_piece = |piece: &Piece| others.iter().filter(|cell| self.may_be(cell, piece)).collect();
        let candidates: Vec<Vec<&Cell<'_>>> = self.moved.iter().map(of_piece).collect();
        let mut ways = choices(&candidates);
        for way in ways.by_ref().take(self.limit).take_while(|_| !stop()) {
            let Some(rival) = way.first() else { continue };
            let has_copy = || copies.iter().any(|copy| self.serves(copy, &rival.place));
            if !self.found.contains(&rival.name) && !has_copy() && self.opens(at, &common, &way) {
                self.found.insert(rival.name.clone());
            }
        }
        self.is_cut |= ways.next().is_some();
    }

    /// What stands apart in a row, and the fields of all that another value would have in common with this one.
    fn common_fields<'c, 'r>(&self, own: &'c [Cell<'r>]) -> Option<(&'c Cell<'r>, Fields)> {
        let at = |place: &Place| own.iter().find(|cell| cell.place == *place);
        let mut fields = Fields::default();
        let is_read =
            self.common.iter().all(|piece| at(&piece.place).is_some_and(|c| piece.read(&c.bytes, &mut fields)));
        at(&self.apart.1).filter(|_| is_read).map(|shared| (shared, fields))
    }

    /// Whether a cell has the form of a piece. A document names the key of what is in it.
    fn may_be(&self, cell: &Cell<'_>, piece: &Piece) -> bool {
        let (apart, place) = &self.apart;
        let is_near = *apart == Apart::Iv || place.len() == 1 || cell.place.first() == place.first();
        is_near && cell.content == piece.content && piece.read(&cell.bytes, &mut Fields::default())
    }

    fn opens(&mut self, at: usize, common: &Fields, way: &[&Cell<'_>]) -> bool {
        let mut fields = common.clone();
        if !self.moved.iter().zip(way).all(|(piece, cell)| piece.read(&cell.bytes, &mut fields)) {
            return false;
        }
        let Some(column) = way.first().and_then(|cell| cell.place.first()) else { return false };
        let (sample, templates) = (self.sample, self.templates);
        let aads = self.aads.entry(column.clone()).or_insert_with(|| sample.aads(templates, column));
        self.trials.opener_of(&fields, self.is_salted, &aads[at]).is_some()
    }

    /// Whether a value goes by that copy of what stands apart: one that lies beside it, or beside what it lies in, or where this layout
    /// would have it, and is not farther than what stands apart itself.
    fn serves(&self, copy: &[String], rival: &[String]) -> bool {
        let apart = self.apart.1.as_slice();
        let up = apart.len() - self.moved.first().map_or(0, |ct| in_common(apart, &ct.place));
        // The copy of a column is in another one, but the names in its document are the same.
        let is_alike = copy.ends_with(&apart[(apart.len() - up).max(1)..]);
        let around = copy.len().saturating_sub(if is_alike { up } else { 1 });
        rival.starts_with(&copy[..around]) && in_common(copy, rival) >= in_common(apart, rival)
    }
}

/// How many names two places begin with alike.
fn in_common(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Something in a row that is text or bytes.
struct Cell<'r> {
    /// With the numbers of arrays' elements.
    place: Place,
    /// The place as people write it.
    name: String,
    content: Content,
    bytes: Cow<'r, [u8]>,
}

fn cells<'r>(sample: &Sample, row: &'r Row) -> Vec<Cell<'r>> {
    let mut cells = Vec::new();
    for (column, cell) in sample.columns.iter().zip(&row.cells) {
        let Some(cell) = cell.as_deref().filter(|cell| !cell.is_empty()) else { continue };
        let name = || column.name.clone();
        let place = |path: Place| -> Place { std::iter::once(name()).chain(path).collect() };
        if column.is_compound {
            // How its parts belong together is not known, but they lie in it, and not beside other columns.
            let place = place(vec![WITHIN.to_owned()]);
            let part = |(content, bytes): (_, Vec<u8>)| Cell {
                place: place.clone(),
                name: name(),
                content,
                bytes: bytes.into(),
            };
            cells.extend(documents::parts(cell).into_iter().map(part));
            continue;
        }
        match documents::numbered(cell) {
            Some(strings) => cells.extend(strings.into_iter().map(|(path, text)| {
                let name = shown(&place(documents::unnumbered(&path)));
                Cell { place: place(path), name, content: Content::Text, bytes: text.into_bytes().into() }
            })),
            None => {
                cells.push(Cell {
                    place: place(Vec::new()),
                    name: name(),
                    content: column.content,
                    bytes: cell.into(),
                });
            }
        }
    }
    cells
}

/// Ways of taking a cell for each piece, none for two of them. Made as they are asked for: of a wide table there are many.
type Ways<'c, 'r> = Box<dyn Iterator<Item = Vec<&'c Cell<'r>>> + 'c>;

fn choices<'c, 'r>(candidates: &'c [Vec<&'c Cell<'r>>]) -> Ways<'c, 'r> {
    let none: Ways<'c, 'r> = Box::new(std::iter::once(Vec::new()));
    candidates.iter().fold(none, |ways, of_piece| Box::new(ways.flat_map(move |way| with_one_more(way, of_piece))))
}

fn with_one_more<'c, 'r>(way: Vec<&'c Cell<'r>>, of_piece: &'c [&'c Cell<'r>]) -> Ways<'c, 'r> {
    Box::new(of_piece.iter().filter_map(move |cell| {
        let is_free = !way.iter().any(|taken| std::ptr::eq(*taken, *cell));
        is_free.then(|| [way.as_slice(), &[*cell]].concat())
    }))
}

/// Rows that are tried where each takes the derivation of a key.
const SALTED_ROWS: usize = 16;
/// How many ways of putting a ciphertext and a tag together are tried in a row, and how many where each may have a salt of its own.
const COMBINATIONS: usize = 5000;
const SALTED_COMBINATIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Cell, Content, choices};

    #[test]
    fn ways_are_made_as_they_are_asked_for() {
        let cell = |n: usize| {
            let name = format!("o{n}");
            Cell { place: vec![name.clone()], name, content: Content::Text, bytes: vec![0].into() }
        };
        let cells: Vec<Cell<'_>> = (0..100_000).map(cell).collect();
        let all: Vec<&Cell<'_>> = cells.iter().collect();
        let shown = |way: Vec<&Cell<'_>>| way.iter().map(|cell| cell.name.as_str()).collect::<Vec<_>>().join(" ");
        let first: Vec<_> = choices(&[all.clone(), all.clone()]).take(2).map(shown).collect();
        assert_eq!(first, ["o0 o1", "o0 o2"]);
        let few = [all[..10].to_vec(), all[..10].to_vec()];
        assert_eq!(choices(&few).count(), 90, "no cell is both");
    }
}
