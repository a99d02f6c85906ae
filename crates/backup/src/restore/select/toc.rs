//! Reads the table of contents of `schema.dump.gz`: pg_dump's custom format, which says what each definition depends on.

use lifeboat_core::index::Section;
use lifeboat_core::{Error, Kind, Result};

/// What an archive of definitions holds, in its order.
#[derive(Debug, Default)]
pub(super) struct Toc {
    pub(super) entries: Vec<Entry>,
}

/// A definition, or something about one: a comment, privileges.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// pg_dump's own number for it, to which `depends_on` refers.
    pub(super) dump_id: u64,
    /// The object's oid at the source; zero where it has none.
    pub(super) oid: u32,
    /// Its name, with the arguments or the table that belong to it; not quoted.
    pub(super) tag: String,
    /// Its type, such as `FK CONSTRAINT`.
    pub(super) kind: String,
    /// `None` for what goes with the definition before it.
    pub(super) section: Option<Section>,
    /// The statements that make it.
    pub(super) definition: String,
    /// The statement that drops it, empty for what cannot be dropped by itself.
    pub(super) drop: String,
    pub(super) schema: Option<String>,
    /// The tablespace to be set before its definition; empty for the default one.
    pub(super) tablespace: Option<String>,
    pub(super) access_method: Option<String>,
    /// `pg_class.relkind`, from PostgreSQL 17 on.
    pub(super) relkind: u8,
    pub(super) owner: String,
    pub(super) depends_on: Vec<u64>,
}

/// Reads an archive. `decode` turns a text in the archive's encoding into UTF-8.
///
/// # Errors
/// [`Kind::Integrity`] when it is cut or no such archive, [`Kind::Config`] when its format is another than those of PostgreSQL
/// 12 to 18.
pub(super) fn read(archive: &[u8], decode: &mut dyn FnMut(&[u8]) -> Result<String>) -> Result<Toc> {
    let mut reader = Reader::begin(archive, decode)?;
    reader.skip_facts()?;
    let count = reader.number()?;
    let entries = (0..count).map(|_| reader.entry()).collect::<Result<_>>()?;
    Ok(Toc { entries })
}

/// The encoding of an archive's texts, as its first entry sets it.
///
/// # Errors
/// As [`read`]'s.
pub(super) fn encoding(archive: &[u8]) -> Result<String> {
    let mut lossy = |text: &[u8]| Ok(String::from_utf8_lossy(text).into_owned());
    let mut reader = Reader::begin(archive, &mut lossy)?;
    reader.skip_facts()?;
    for _ in 0..reader.number()? {
        let entry = reader.entry()?;
        if entry.kind == "ENCODING" {
            let named = entry.definition.split('\'').nth(1);
            return named.map(str::to_owned).ok_or_else(|| damaged("its encoding"));
        }
    }
    Err(damaged("its encoding"))
}

struct Reader<'a, 'd> {
    rest: &'a [u8],
    decode: &'d mut dyn FnMut(&[u8]) -> Result<String>,
    minor: u8,
    int_bytes: usize,
    offset_bytes: usize,
}

impl<'a, 'd> Reader<'a, 'd> {
    fn begin(archive: &'a [u8], decode: &'d mut dyn FnMut(&[u8]) -> Result<String>) -> Result<Self> {
        let rest = archive.strip_prefix(b"PGDMP").ok_or_else(|| damaged("its first bytes"))?;
        let (&[major, minor, _, int_bytes, offset_bytes, form], rest) =
            rest.split_first_chunk().ok_or_else(|| damaged("its head"))?;
        if major != 1 || !MINORS.contains(&minor) || form != CUSTOM {
            return Err(Error::new(Kind::Config, format!("read the schema archive: its format is {major}.{minor}"))
                .hint("a later release of lifeboat reads it; or restore the whole backup and drop what is too much"));
        }
        if !(1..=8).contains(&int_bytes) || !(1..=8).contains(&offset_bytes) {
            return Err(damaged("its head"));
        }
        Ok(Self { rest, decode, minor, int_bytes: int_bytes.into(), offset_bytes: offset_bytes.into() })
    }

    /// Compression, time, database and versions.
    fn skip_facts(&mut self) -> Result<()> {
        if self.minor >= 15 {
            self.take(1)?;
        } else {
            self.integer()?;
        }
        for _ in 0..TIME_FIELDS {
            self.integer()?;
        }
        for _ in 0..3 {
            self.bytes()?;
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<Entry> {
        let dump_id = self.number()?;
        let _has_data = self.integer()?;
        let _catalog = self.bytes()?;
        let mut entry =
            Entry { dump_id, oid: self.parsed()?, tag: self.text()?, kind: self.text()?, ..Entry::default() };
        entry.section = section(self.integer()?)?;
        entry.definition = self.text()?;
        entry.drop = self.text()?;
        let _copy_statement = self.bytes()?;
        entry.schema = self.optional_text()?.filter(|schema| !schema.is_empty());
        entry.tablespace = self.optional_text()?;
        entry.access_method = self.optional_text()?.filter(|method| !method.is_empty());
        if self.minor >= 16 {
            entry.relkind = u8::try_from(self.integer()?).map_err(|_| damaged("a type of a relation"))?;
        }
        entry.owner = self.text()?;
        let _with_oids = self.bytes()?;
        while let Some(id) = self.bytes()? {
            entry.depends_on.push(parse(id)?);
        }
        self.take(1 + self.offset_bytes)?;
        Ok(entry)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| damaged("its end"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A byte for the sign, then the magnitude, the lowest byte first.
    fn integer(&mut self) -> Result<i64> {
        let negative = self.take(1)?[0] != 0;
        let magnitude = self.take(self.int_bytes)?.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let magnitude = i64::try_from(magnitude).map_err(|_| damaged("a number"))?;
        Ok(if negative { -magnitude } else { magnitude })
    }

    fn number(&mut self) -> Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| damaged("a number"))
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>> {
        match usize::try_from(self.integer()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn optional_text(&mut self) -> Result<Option<String>> {
        self.bytes()?.map(|text| (self.decode)(text)).transpose()
    }

    fn text(&mut self) -> Result<String> {
        self.optional_text().map(Option::unwrap_or_default)
    }

    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T> {
        parse(self.bytes()?.unwrap_or_default())
    }
}

fn parse<T: std::str::FromStr>(digits: &[u8]) -> Result<T> {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| damaged("a number"))
}

fn section(number: i64) -> Result<Option<Section>> {
    match number {
        1 => Ok(None),
        2 => Ok(Some(Section::PreData)),
        3 => Ok(Some(Section::Data)),
        4 => Ok(Some(Section::PostData)),
        _ => Err(damaged("a section")),
    }
}

fn damaged(what: &str) -> Error {
    Error::new(Kind::Integrity, format!("read the schema archive: {what} cannot be"))
}

/// 1.14 is PostgreSQL 12 to 15, 1.15 is 16, 1.16 is 17 and 18.
const MINORS: std::ops::RangeInclusive<u8> = 14..=16;
const CUSTOM: u8 = 1;
/// Second to year, and whether it is summer time.
const TIME_FIELDS: usize = 7;
