//! Finds the line that ends the rows of a COPY.

use memchr::memmem::Finder;

/// The line `\.` and its newline.
pub(super) const TERMINATOR: &[u8] = b"\\.\n";

/// Looks for the line `\.` in rows that come in slices.
#[derive(Debug)]
pub(super) struct RowScanner {
    finder: Finder<'static>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the start of a line, with so many bytes of the terminator seen and held back.
    LineStart {
        held: usize,
    },
    InLine,
}

/// What a slice of rows came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowsFound<'a> {
    /// Row bytes held back from earlier slices.
    pub held: &'static [u8],
    /// Row bytes of this slice.
    pub rows: &'a [u8],
    /// Whether the terminator ended, and what of the slice follows it.
    pub after_end: Option<&'a [u8]>,
}

impl Default for RowScanner {
    fn default() -> Self {
        Self { finder: Finder::new(b"\n\\.\n"), place: Place::LineStart { held: 0 } }
    }
}

impl RowScanner {
    /// Scans a slice up to its end or that of the rows.
    pub(super) fn scan<'a>(&mut self, input: &'a [u8]) -> RowsFound<'a> {
        let Place::LineStart { held } = self.place else { return self.in_line(input, b"") };
        let wanted = &TERMINATOR[held..];
        if input.starts_with(wanted) {
            self.place = Place::LineStart { held: 0 };
            return RowsFound { held: b"", rows: b"", after_end: Some(&input[wanted.len()..]) };
        }
        if wanted.starts_with(input) {
            self.place = Place::LineStart { held: held + input.len() };
            return RowsFound { held: b"", rows: b"", after_end: None };
        }
        self.in_line(input, &TERMINATOR[..held])
    }

    fn in_line<'a>(&mut self, input: &'a [u8], held: &'static [u8]) -> RowsFound<'a> {
        if let Some(at) = self.finder.find(input) {
            self.place = Place::LineStart { held: 0 };
            let (rows, rest) = input.split_at(at + 1);
            return RowsFound { held, rows, after_end: Some(&rest[TERMINATOR.len()..]) };
        }
        let (rows, place) = held_back(input);
        self.place = place;
        RowsFound { held, rows, after_end: None }
    }
}

/// Splits off what may be the beginning of the terminator.
fn held_back(input: &[u8]) -> (&[u8], Place) {
    for held in 0..TERMINATOR.len() {
        let rows = input.strip_suffix(&TERMINATOR[..held]).unwrap_or_default();
        if rows.ends_with(b"\n") {
            return (rows, Place::LineStart { held });
        }
    }
    (input, Place::InLine)
}
