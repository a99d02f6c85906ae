//! What a stored value looks like.
//!
//! A layout is an expression that looks like the value:
//!
//! ```text
//! base64(iv tag ct)
//! base64(iv) ":" base64(tag) ":" base64(ct)
//! "enc:v1:" hex(iv/16 ct tag)
//! json{iv: hex(iv), data: hex(ct), tag: hex(tag)}
//! json{settings.token: base64(iv ct tag)}
//! bytes(iv ct tag)
//! columns{secret: bytes(ct), iv: bytes(iv/16), tag: bytes(tag)}
//! ```
//!
//! A value is taken apart in one way or not at all: an expression that would leave a choice is refused when it is read.
//! Writing keeps the form of the value that was there: padding, case of digits, spaces and order of JSON.

mod apart;
mod codec;
mod extent;
mod json;
mod look;
mod parse;
mod print;
mod read;
mod rules;
mod split;
mod write;

use std::str::FromStr;

use lifeboat_core::{Error, Kind, Result};

pub(crate) use self::apart::{Apart, Piece, Place, WITHIN, shown};
use self::codec::Codec;
use super::cipher::TAG_BYTES;
use super::misread::Misread;
use super::outcome::Unopened;
use super::stored::Stored;

/// What a stored value looks like. `Display` gives the expression it was read from, in one way of writing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    outputs: Vec<Output>,
}

/// What one column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Output {
    /// Its name, in a layout of several columns.
    column: Option<String>,
    content: Content,
    items: Vec<Item>,
}

/// Whether a column holds text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `text`, `varchar`, `json`, `jsonb`.
    Text,
    /// `bytea`.
    Bytes,
}

/// A piece of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// Always the same text.
    Text(String),
    /// Always the same bytes.
    Bytes(Vec<u8>),
    Field(Field),
    /// Bytes, written as text.
    Coded(Codec, Vec<Item>),
    /// Strings in a JSON document. What else is in it stays.
    Json(Vec<Member>),
}

/// What differs from value to value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// 12 or 16 bytes.
    Iv(usize),
    Tag,
    Ct,
    Salt(Option<usize>),
    Kid,
}

/// A string in a JSON document, by the names of the objects it lies in; no name: the document itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    path: Vec<String>,
    items: Vec<Item>,
}

/// What a stored value is made of. Nothing of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// 12 or 16 bytes, as the layout says.
    pub iv: Vec<u8>,
    /// The ciphertext, as long as the plaintext.
    pub ct: Vec<u8>,
    /// The tag.
    pub tag: [u8; TAG_BYTES],
    /// The salt that the key is derived with. Empty when the layout has none.
    pub salt: Vec<u8>,
    /// The id of the key. Empty when the layout has none.
    pub kid: String,
}

impl Layout {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where: also when it could be read from a value in two ways, or when a value would lack its
    /// IV, tag or ciphertext.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        parse::layout(text)
    }

    /// The columns it is spread over: names (none when there is only one column) and what they hold.
    pub fn columns(&self) -> impl Iterator<Item = (Option<&str>, Content)> {
        self.outputs.iter().map(|output| (output.column.as_deref(), output.content))
    }

    /// How many bytes an IV has: 12 or 16.
    #[must_use]
    pub fn iv_bytes(&self) -> usize {
        let iv = |field: Field| match field {
            Field::Iv(bytes) => Some(bytes),
            _ => None,
        };
        // The parser asks for one; nothing would be encrypted with none.
        self.fields().find_map(iv).unwrap_or_default()
    }

    /// Whether a value holds the id of its key.
    #[must_use]
    pub fn has_key_id(&self) -> bool {
        self.fields().any(|field| field == Field::Kid)
    }

    /// Whether a value holds the salt its key is derived with.
    #[must_use]
    pub fn has_salt(&self) -> bool {
        self.fields().any(|field| matches!(field, Field::Salt(_)))
    }

    /// What a fresh salt is, where a value holds one.
    pub(super) fn salt_form(&self) -> Option<SaltForm> {
        self.outputs.iter().find_map(|output| salt_form(&output.items, output.content))
    }

    /// Takes a stored value apart: one part for each column, NULL being `None`.
    ///
    /// # Errors
    /// [`Unopened::Empty`], [`Unopened::Plaintext`] or [`Unopened::Malformed`].
    pub fn decode(&self, stored: &[Option<&[u8]>]) -> Result<Fields, Unopened> {
        read::decode(self, stored)
    }

    /// A value that was not there before: padded base64 and base64url, lower-case hex, JSON without spaces.
    #[must_use]
    pub fn encode(&self, fields: &Fields) -> Stored {
        Stored(write::encode(self, fields))
    }

    /// A value in the form of the one that was there, which differs from it in `fields` only.
    ///
    /// # Errors
    /// As [`Layout::decode`], when the old value does not have this layout.
    pub fn encode_like(&self, old: &[Option<&[u8]>], fields: &Fields) -> Result<Stored, Unopened> {
        write::encode_like(self, old, fields).map(Stored)
    }

    /// Asks whether a value can hold this key id: one that holds a separator of the layout would be read as something else.
    ///
    /// # Errors
    /// [`Kind::Config`] when it cannot.
    pub fn check_key_id(&self, id: &str) -> Result<()> {
        let salt = self.salt_form().map_or_else(Vec::new, |form| vec![b'0'; form.length()]);
        let fields = Fields { iv: vec![0; self.iv_bytes()], kid: id.to_owned(), salt, ..Fields::default() };
        let read = self.decode(&self.encode(&fields).parts());
        if !id.is_empty() && read.is_ok_and(|read| read.kid == id) {
            return Ok(());
        }
        Err(Error::new(Kind::Config, format!("use {id:?} as the key id of the layout {self}"))
            .hint("a key id is not empty and does not contain what follows it in the layout"))
    }

    fn fields(&self) -> impl Iterator<Item = Field> {
        let mut found = Vec::new();
        for output in &self.outputs {
            collect(&output.items, &mut found);
        }
        found.into_iter()
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse(text)?)
    }
}

/// A salt of so many bytes, or of so many characters of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaltForm {
    Bytes(usize),
    Text(usize),
}

impl SaltForm {
    /// How long it is where it stands.
    fn length(self) -> usize {
        let (Self::Bytes(length) | Self::Text(length)) = self;
        length
    }

    /// How many random bytes it takes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(digits) => digits.div_ceil(2),
        }
    }
}

fn salt_form(items: &[Item], content: Content) -> Option<SaltForm> {
    items.iter().find_map(|item| match (item, content) {
        (Item::Field(Field::Salt(bytes)), Content::Bytes) => Some(SaltForm::Bytes(bytes.unwrap_or(16))),
        (Item::Field(Field::Salt(digits)), Content::Text) => Some(SaltForm::Text(digits.unwrap_or(32))),
        (Item::Coded(_, items), _) => salt_form(items, Content::Bytes),
        (Item::Json(members), _) => members.iter().find_map(|member| salt_form(&member.items, Content::Text)),
        _ => None,
    })
}

fn collect(items: &[Item], found: &mut Vec<Field>) {
    for item in items {
        match item {
            Item::Field(field) => found.push(*field),
            Item::Coded(_, items) => collect(items, found),
            Item::Json(members) => members.iter().for_each(|member| collect(&member.items, found)),
            Item::Text(_) | Item::Bytes(_) => {}
        }
    }
}
