//! Additional authenticated data: what an application binds a ciphertext to, so that it does not open in another row.

use std::fmt;
use std::str::FromStr;

use lifeboat_core::{Error, Kind, Result};

use super::misread::Misread;

/// A template such as `{table}.{column}:{id}`.
///
/// `{schema}`, `{table}` and `{column}` are the names of where the value lies; any other name is a column of the row, as text;
/// `{"table"}` is a column of that name. `{{` and `}}` are braces, `\0` is a zero byte and `\\` a backslash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AadTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Schema,
    Table,
    Column,
    /// A column of the row.
    Key(String),
}

impl AadTemplate {
    /// Reads a template. An empty one is no AAD.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let (piece, length) = piece(rest).map_err(|(what, end)| {
                Misread::new("AAD template", text, at..at + end, what)
                    .hint("write {table}.{column}:{id}; a brace itself is {{ or }}, a zero byte \\0")
            })?;
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
            rest = &rest[length..];
        }
        Ok(Self(pieces))
    }

    /// The columns of the row that it needs, as text, in the order in which [`Aad::render`] takes them.
    #[must_use]
    pub fn key_columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in &self.0 {
            if let Piece::Key(name) = piece
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// The template for one column.
    #[must_use]
    pub fn of(&self, schema: &str, table: &str, column: &str) -> Aad {
        let keys = self.key_columns();
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => Part::Bytes(text.clone().into_bytes()),
            Piece::Schema => Part::Bytes(schema.into()),
            Piece::Table => Part::Bytes(table.into()),
            Piece::Column => Part::Bytes(column.into()),
            Piece::Key(name) => Part::Key(keys.iter().position(|key| key == name).unwrap_or_default()),
        };
        Aad(self.0.iter().map(part).collect())
    }
}

impl FromStr for AadTemplate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse(text)?)
    }
}

impl fmt::Display for AadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => {
                let text = text.replace('\\', "\\\\").replace('\0', "\\0");
                f.write_str(&text.replace('{', "{{").replace('}', "}}"))
            }
            Piece::Schema => f.write_str("{schema}"),
            Piece::Table => f.write_str("{table}"),
            Piece::Column => f.write_str("{column}"),
            Piece::Key(name) if place(name).is_some() => write!(f, "{{\"{name}\"}}"),
            Piece::Key(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// The template of one column, of which only the row is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aad(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Key(usize),
}

impl Aad {
    /// The AAD of a row: `keys` are its values in the order of [`AadTemplate::key_columns`].
    ///
    /// # Errors
    /// [`Kind::Failure`] when there are too few.
    pub fn render(&self, keys: &[&str]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for part in &self.0 {
            let bytes = match part {
                Part::Bytes(bytes) => Some(bytes.as_slice()),
                Part::Key(at) => keys.get(*at).map(|key| key.as_bytes()),
            };
            out.extend_from_slice(
                bytes.ok_or_else(|| Error::new(Kind::Failure, "make the AAD of a row: it lacks a column"))?,
            );
        }
        Ok(out)
    }
}

/// The first piece of `rest` and its length; or what is wrong, and how far it goes.
fn piece(rest: &str) -> std::result::Result<(Piece, usize), (&'static str, usize)> {
    for (written, text) in [("{{", "{"), ("}}", "}"), ("\\\\", "\\"), ("\\0", "\0")] {
        if rest.starts_with(written) {
            return Ok((Piece::Text(text.to_owned()), 2));
        }
    }
    match rest.chars().next() {
        Some('{') => name(rest),
        Some('}') => Err(("this brace closes nothing", 1)),
        Some('\\') => Err(("unknown escape", 1)),
        _ => {
            let end = rest.find(['{', '}', '\\']).unwrap_or(rest.len());
            Ok((Piece::Text(rest[..end].to_owned()), end))
        }
    }
}

fn name(rest: &str) -> std::result::Result<(Piece, usize), (&'static str, usize)> {
    let close = rest.find('}').ok_or(("this brace is not closed", rest.len()))?;
    let name = rest[1..close].trim();
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let plain = quoted.unwrap_or(name);
    if plain.is_empty() || plain.contains(['{', '"', '\\']) {
        return Err(("expected the name of a column", close + 1));
    }
    let piece = place(plain).filter(|_| quoted.is_none()).unwrap_or_else(|| Piece::Key(plain.to_owned()));
    Ok((piece, close + 1))
}

fn place(name: &str) -> Option<Piece> {
    match name {
        "schema" => Some(Piece::Schema),
        "table" => Some(Piece::Table),
        "column" => Some(Piece::Column),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::AadTemplate;

    #[test]
    fn a_template_is_filled_from_place_and_row() {
        let template: AadTemplate = "{schema}/{table}.{column}:{id}-{tenant}-{id}".parse().unwrap();
        assert_eq!(template.key_columns(), ["id", "tenant"]);
        let aad = template.of("public", "secrets", "value").render(&["7", "acme"]).unwrap();
        assert_eq!(aad, b"public/secrets.value:7-acme-7");
    }

    #[test]
    fn braces_zero_bytes_and_columns_named_like_places_can_be_written() {
        let template: AadTemplate = r#"{{x}}\0\\{"table"}"#.parse().unwrap();
        assert_eq!(template.of("s", "t", "c").render(&["row's"]).unwrap(), b"{x}\0\\row's");
        assert_eq!(template.to_string().parse::<AadTemplate>().unwrap(), template);
    }

    #[test]
    fn no_template_is_no_aad() {
        assert_eq!(AadTemplate::default(), "".parse().unwrap());
        assert!(AadTemplate::default().of("s", "t", "c").render(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_row_that_lacks_a_column_is_refused() {
        assert!("{id}".parse::<AadTemplate>().unwrap().of("s", "t", "c").render(&[]).is_err());
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, at, what) in [
            ("{table", 0..6, "this brace is not closed"),
            ("ä:}", 3..4, "this brace closes nothing"),
            ("a{}", 1..3, "expected the name of a column"),
            (r"a\n", 1..2, "unknown escape"),
        ] {
            let misread = AadTemplate::parse(text).unwrap_err();
            assert_eq!((misread.at(), misread.what()), (at, what), "{text}");
        }
    }
}
