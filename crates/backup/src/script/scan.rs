//! Finds where statements end, as `psql` and the server would.
//!
//! All state lives between slices, so that a slice may end anywhere, even between the two characters of `--`.

use lifeboat_core::{Error, Kind, Result};
use memchr::{memchr, memchr2};

use super::capture::Capture;
use super::class::{Class, class};
use super::copy_target::CopyTarget;
use super::head::Head;
use super::inside::{BlockComment, DollarText, EscapedText, Inside};
use super::nesting::Nesting;
use super::token::Trailer;
use super::words::is_word_byte;

/// What ended with the last byte scanned.
#[derive(Debug)]
pub(super) enum End {
    /// A statement.
    Statement,
    /// A psql command and its newline.
    MetaCommand,
    /// The line `\.`.
    Terminator,
    /// `COPY … FROM stdin;` and its newline.
    Copy(Box<CopyTarget>),
}

/// Scans SQL text for the ends of statements.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    place: Place,
    /// Whether a statement has begun: more than white space and comments.
    in_statement: bool,
    had_word: bool,
    nesting: Nesting,
    capture: Capture,
    word: Head<WORD_BYTES>,
    line: Head<LINE_BYTES>,
    escaped: EscapedText,
    dollar: DollarText,
    comment: BlockComment,
    trailer: Option<Trailer>,
}

#[derive(Debug, Default)]
enum Place {
    /// Between quotes, comments and words.
    #[default]
    Plain,
    Word,
    /// After `-` and `/`: a comment or an operator.
    Dash,
    Slash,
    LineComment,
    BlockComment,
    /// In `"…"` and in `'…'`; a doubled quote ends one and begins the next.
    QuotedName,
    Text,
    EscapedText,
    DollarText,
    /// After the semicolon of `COPY … FROM stdin;`.
    CopyNewline(Box<CopyTarget>),
    MetaCommand,
}

impl Scanner {
    /// Scans up to the next end, or the whole input; gives the number of bytes scanned.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<(usize, Option<End>)> {
        let mut at = 0;
        while at < input.len() {
            let (used, end) = self.step(&input[at..])?;
            at += used;
            if end.is_some() {
                return Ok((at, end));
            }
        }
        Ok((at, None))
    }

    /// What the script says at its end.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it ends inside something.
    pub(super) fn finish(&self) -> Result<Trailer> {
        match self.open_place() {
            None => Ok(self.trailer.unwrap_or(Trailer::Missing)),
            Some(place) => Err(cut_inside(place)),
        }
    }

    fn open_place(&self) -> Option<&'static str> {
        Some(match self.place {
            Place::LineComment | Place::BlockComment => "a comment",
            Place::QuotedName => "a quoted name",
            Place::Text | Place::EscapedText => "a quoted text",
            Place::DollarText => "a dollar-quoted text",
            Place::MetaCommand => "a psql command",
            Place::Plain if !self.in_statement => return None,
            _ => "a statement",
        })
    }

    /// Consumes some bytes, or changes the place so that the next step does.
    fn step(&mut self, input: &[u8]) -> Result<(usize, Option<End>)> {
        let used = match self.place {
            Place::CopyNewline(_) => return self.copy_newline(input[0]),
            Place::MetaCommand => return Ok(self.meta_command(input)),
            Place::Plain if input[0] == b';' && self.may_end() => return self.end_statement(),
            Place::Plain => self.plain(input)?,
            Place::Word => self.word(input),
            Place::Dash => self.second(input[0] == b'-', Place::LineComment),
            Place::Slash => self.second(input[0] == b'*', Place::BlockComment),
            Place::LineComment => self.line_comment(input),
            Place::BlockComment => self.leave(|scanner| scanner.comment.scan(input)),
            Place::QuotedName => self.leave(|_| until(memchr(b'"', input), input)),
            Place::Text => self.leave(|_| until(memchr(b'\'', input), input)),
            Place::EscapedText => self.leave(|scanner| scanner.escaped.scan(input)),
            Place::DollarText => self.leave(|scanner| scanner.dollar.scan(input)),
        };
        if self.in_statement {
            self.capture.extend(&input[..used])?;
        }
        Ok((used, None))
    }

    /// Up to the end of what the scanner is inside of, which brings back plain text.
    fn leave(&mut self, scan: impl FnOnce(&mut Self) -> Inside) -> usize {
        let inside = scan(self);
        if inside.ended {
            self.place = Place::Plain;
        }
        inside.used
    }

    fn plain(&mut self, input: &[u8]) -> Result<usize> {
        let dull = if self.in_statement { Class::Other } else { Class::Space };
        let dull_len = input.iter().position(|&byte| class(byte) > dull).unwrap_or(input.len());
        if dull_len > 0 {
            self.nesting.dull(&input[..dull_len]);
            return Ok(dull_len);
        }
        match class(input[0]) {
            Class::Dash => self.place = Place::Dash,
            Class::Slash => self.place = Place::Slash,
            Class::Backslash => self.begin_meta_command()?,
            Class::Word => {
                self.go_on();
                self.word.clear();
                self.place = Place::Word;
                return Ok(0);
            }
            class => self.symbol(class),
        }
        Ok(1)
    }

    fn symbol(&mut self, class: Class) {
        self.go_on();
        self.first_is_no_word();
        self.nesting.other();
        match class {
            Class::Open => self.nesting.open(),
            Class::Close => self.nesting.close(),
            Class::QuotedName => self.place = Place::QuotedName,
            Class::Text => self.place = Place::Text,
            Class::Dollar => {
                self.dollar.begin();
                self.place = Place::DollarText;
            }
            _ => {}
        }
    }

    /// Begins a statement, unless one goes on.
    fn go_on(&mut self) {
        if !self.in_statement {
            self.in_statement = true;
            self.had_word = false;
            self.trailer = None;
            self.capture.begin();
        }
    }

    fn first_is_no_word(&mut self) {
        if !self.had_word {
            self.first_word(b"");
        }
    }

    fn first_word(&mut self, word: &[u8]) {
        self.had_word = true;
        self.nesting.first_word(word);
        self.capture.first_word(word);
    }

    fn word(&mut self, input: &[u8]) -> usize {
        let len = input.iter().position(|&byte| !is_word_byte(byte)).unwrap_or(input.len());
        self.word.extend(&input[..len]);
        if len == input.len() {
            return len;
        }
        let word = self.word.lower_case();
        if self.had_word {
            self.nesting.word(word.text());
        } else {
            self.first_word(word.text());
        }
        self.place = Place::Plain;
        if word.text() == b"e" && input[len] == b'\'' {
            self.escaped = EscapedText::default();
            self.place = Place::EscapedText;
            return len + 1;
        }
        len
    }

    /// The byte after a `-` or `/`, which makes it a comment, or else an operator.
    fn second(&mut self, is_comment: bool, comment: Place) -> usize {
        if !is_comment {
            self.place = Place::Plain;
            self.symbol(Class::Other);
            return 0;
        }
        self.line.clear();
        self.comment.begin();
        self.place = comment;
        1
    }

    fn line_comment(&mut self, input: &[u8]) -> usize {
        let end = memchr2(b'\n', b'\r', input);
        self.line.extend(&input[..end.unwrap_or(input.len())]);
        if end.is_some() && !self.in_statement {
            self.trailer = trailer_of(self.line.text()).or(self.trailer);
        }
        self.leave(|_| until(end, input))
    }

    fn may_end(&self) -> bool {
        !self.in_statement || self.nesting.is_closed()
    }

    fn end_statement(&mut self) -> Result<(usize, Option<End>)> {
        self.symbol(Class::Semicolon); // it may be all of an empty statement
        self.in_statement = false;
        self.capture.extend(b";")?;
        match self.capture.end()? {
            None => Ok((1, Some(End::Statement))),
            Some(target) => {
                self.place = Place::CopyNewline(Box::new(target));
                Ok((1, None))
            }
        }
    }

    fn copy_newline(&mut self, byte: u8) -> Result<(usize, Option<End>)> {
        match std::mem::take(&mut self.place) {
            Place::CopyNewline(target) if byte == b'\n' => Ok((1, Some(End::Copy(target)))),
            _ => Err(Error::new(Kind::Integrity, "find a newline right after COPY … FROM stdin;")
                .hint("something changed the script after pg_dump wrote it, such as its line ends")),
        }
    }

    fn begin_meta_command(&mut self) -> Result<()> {
        if self.in_statement {
            return Err(Error::new(Kind::Integrity, "read a backslash outside of quotes within a statement"));
        }
        self.line.clear();
        self.place = Place::MetaCommand;
        Ok(())
    }

    fn meta_command(&mut self, input: &[u8]) -> (usize, Option<End>) {
        let end = memchr(b'\n', input);
        self.line.extend(&input[..end.unwrap_or(input.len())]);
        let used = self.leave(|_| until(end, input));
        let kind = if self.line.text() == b"." { End::Terminator } else { End::MetaCommand };
        (used, end.map(|_| kind))
    }
}

fn until(end: Option<usize>, input: &[u8]) -> Inside {
    Inside { used: end.map_or(input.len(), |at| at + 1), ended: end.is_some() }
}

/// The error of a script that ends inside something.
pub(super) fn cut_inside(place: &str) -> Error {
    Error::new(Kind::Integrity, format!("read the script to its end: it ends inside {place}"))
        .hint("the script was cut; use another backup")
}

fn trailer_of(comment: &[u8]) -> Option<Trailer> {
    match comment {
        b" PostgreSQL database dump complete" => Some(Trailer::Database),
        b" PostgreSQL database cluster dump complete" => Some(Trailer::Cluster),
        _ => None,
    }
}

/// The longest word that matters is `atomic`.
const WORD_BYTES: usize = 8;

/// More than the longest comment that matters.
const LINE_BYTES: usize = 48;
