//! Tells what bytes are by how they begin.

use lifeboat_core::{Error, Kind, Result};

use super::{crlf, packets, salted};

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Gzip,
    Zstd,
    /// `openssl enc`.
    Salted,
    /// OpenPGP, with a passphrase.
    GpgPassphrase,
    /// OpenPGP, to somebody's public key; or in ASCII armor, which does not tell before it is read.
    GpgKey,
    /// `pg_dump -Fc`.
    Custom,
    /// `pg_dump -Ft`.
    Tar,
    /// SQL behind a mark that editors of Windows put before UTF-8.
    Marked,
    /// SQL whose lines end with carriage returns.
    Returned,
    /// SQL.
    Plain,
}

impl Form {
    /// The form of what begins with `head`, which is all of it where it is short; none where it is in no form that is known.
    ///
    /// # Errors
    /// [`Kind::Policy`] for what is known and not read, with what to do; [`Kind::Integrity`] for nothing at all, and for text that
    /// is no dump.
    pub(super) fn of(head: &[u8]) -> Result<Option<Self>> {
        if let Some((_, form)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Ok(Some(*form));
        }
        if let Some((_, what, hint)) = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return Err(Error::new(Kind::Policy, format!("read {what}")).hint(*hint));
        }
        if let Some(form) = packets::encrypted(head) {
            return Ok(Some(form));
        }
        match head {
            [] => Err(Error::new(Kind::Integrity, "read a dump: the file is empty")
                .hint("whatever made it failed, or it is another file")),
            _ if is_tar(head) && head.starts_with(b"toc.dat\0") => Ok(Some(Self::Tar)),
            _ if is_tar(head) => Err(Error::new(Kind::Policy, "read a tar archive that is not pg_dump's").hint(
                "unpack it, and restore the dump that is in it; a directory of pg_dump -Fd is restored by pg_restore",
            )),
            _ if head.starts_with(BYTE_ORDER_MARK) => Ok(Some(Self::Marked)),
            _ if head.iter().all(is_text) => script(head).map(Some),
            _ => Ok(None),
        }
    }

    /// How messages and the manifest call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Salted => "openssl",
            Self::GpgPassphrase | Self::GpgKey => "gpg",
            Self::Custom => "custom",
            Self::Tar => "tar",
            Self::Marked => "bom",
            Self::Returned => "crlf",
            Self::Plain => "plain",
        }
    }
}

/// What is text, and SQL as far as that shows.
fn script(head: &[u8]) -> Result<Form> {
    let (what, hint) = match head.trim_ascii_start().first() {
        Some(b'<') => ("a page of HTML or XML", SAVED),
        Some(b'{' | b'[') => ("a document in JSON", SAVED),
        _ if crlf::begins(head) => return Ok(Form::Returned),
        _ => return Ok(Form::Plain),
    };
    Err(Error::new(Kind::Integrity, format!("read a dump: it is {what}")).hint(hint))
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn is_text(byte: &u8) -> bool {
    !byte.is_ascii_control() || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// So many bytes tell what a layer is: of a tar archive, all that its first two headers say.
pub(super) const HEAD_BYTES: usize = 2048;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const SAVED: &str = "whatever fetched the file saved an error in its place: look into it, and fetch the file again";

const MAGIC: &[(&[u8], Form)] = &[
    (b"\x1f\x8b\x08", Form::Gzip),
    (b"\x28\xb5\x2f\xfd", Form::Zstd),
    (salted::MAGIC, Form::Salted),
    (b"-----BEGIN PGP MESSAGE-----", Form::GpgKey),
    (b"PGDMP", Form::Custom),
];

/// What is recognised so that its operator is told what to do.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (b"\xfd7zXZ\0", "an xz file", "decompress it on the way: xz -dc FILE | lifeboat … -"),
    (b"BZh", "a bzip2 file", "decompress it on the way: bzip2 -dc FILE | lifeboat … -"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "decompress it on the way: lz4 -dc FILE | lifeboat … -"),
    (
        b"PK\x03\x04",
        "a zip archive",
        "unpack it on the way: unzip -p FILE | lifeboat … -; an encrypted one by 7z x -so FILE",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it on the way: 7z x -so FILE | lifeboat … -"),
    (b"age-encryption.org/", "an age file", "decrypt it on the way: age -d -i KEY FILE | lifeboat … -"),
    (b"U2FsdGVkX1", "a file of openssl enc -a", "decode it on the way: openssl base64 -d < FILE | lifeboat … -"),
    (b"\xff\xfe", "UTF-16", "something converted the dump: convert it back with iconv -f UTF-16 -t UTF-8"),
    (b"-- MySQL dump", "a dump of MySQL", OTHERS),
    (b"-- MariaDB dump", "a dump of MariaDB", OTHERS),
    (b"/*M!999999", "a dump of MariaDB", OTHERS),
    (b"PRAGMA foreign_keys", "a dump of SQLite", OTHERS),
    (b"SQLite format 3\0", "a database of SQLite", OTHERS),
];

const OTHERS: &str = "only dumps of PostgreSQL are read; is it the right file?";

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::Form;

    #[test]
    fn forms_are_told_apart_by_their_first_bytes() {
        let told = |head: &[u8]| Form::of(head).map_err(|error| error.kind());
        assert_eq!(told(b"\x1f\x8b\x08\0"), Ok(Some(Form::Gzip)));
        assert_eq!(told(b"--\n-- PostgreSQL database dump\n"), Ok(Some(Form::Plain)));
        assert_eq!(told("SELECT 'höhe';\n".as_bytes()), Ok(Some(Form::Plain)));
        assert_eq!(told(b"\x8c\x0d\x04\x09\x03"), Ok(Some(Form::GpgPassphrase)));
        assert_eq!(told(b"-----BEGIN PGP MESSAGE-----\n\n"), Ok(Some(Form::GpgKey)));
        assert_eq!(told(b"Salted__12345678"), Ok(Some(Form::Salted)));
        assert_eq!(told(b"\xef\xbb\xbf--\n"), Ok(Some(Form::Marked)));
        assert_eq!(told(b"--\r\n-- PostgreSQL database dump\r\n"), Ok(Some(Form::Returned)));
        assert_eq!(told(b"\n<!DOCTYPE html>\n"), Err(Kind::Integrity));
        assert_eq!(told(b"{\"error\": \"AccessDenied\"}"), Err(Kind::Integrity));
        assert_eq!(told(b""), Err(Kind::Integrity));
        assert_eq!(told(b"\x7fELF\x02\x01\x01\0"), Ok(None));
        assert_eq!(told(b"7z\xbc\xaf\x27\x1c\0\x04"), Err(Kind::Policy));
        let mut tar = [0; 600];
        tar[257..262].copy_from_slice(b"ustar");
        tar[..8].copy_from_slice(b"toc.dat\0");
        assert_eq!(told(&tar), Ok(Some(Form::Tar)));
        tar[0] = b'x';
        assert_eq!(told(&tar), Err(Kind::Policy));
    }
}
