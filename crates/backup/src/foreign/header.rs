//! What the beginning of a dump says of itself: which server it is of, which pg_dump made it, and when.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// What a dump says of itself. Nothing that matters depends on it but the choice of tools, and the time of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The server's version, as in `15.18 (Debian 15.18-0+deb12u1)`.
    pub(crate) server: Option<String>,
    /// The version of the pg_dump that made it.
    pub(crate) pg_dump: Option<String>,
    /// The database's name.
    pub(crate) database: Option<String>,
    /// When it was made.
    pub(crate) made: Option<Made>,
    /// Whether it is a dump of a whole cluster.
    pub(crate) of_cluster: bool,
}

/// When a dump was made, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Then.
    At(Timestamp),
    /// By a clock of the dumper's, whose zone is not told.
    Local(DateTime),
}

impl Header {
    /// What the comments say that begin a script.
    pub(super) fn of_script(head: &[u8]) -> Self {
        let mut header = Self::default();
        for line in String::from_utf8_lossy(head).lines() {
            let after = |prefix: &str| line.strip_prefix(prefix).map(|rest| rest.trim().to_owned());
            header.server = header.server.or_else(|| after("-- Dumped from database version "));
            header.pg_dump = header.pg_dump.or_else(|| after("-- Dumped by pg_dump version "));
            header.made = header.made.or_else(|| after("-- Started on ").and_then(|text| time(&text)));
            header.of_cluster |= line == "-- PostgreSQL database cluster dump";
        }
        header
    }

    /// What stands at the front of an archive, up to its table of contents.
    pub(super) fn of_archive(head: &[u8]) -> Self {
        Toc::new(head).and_then(|mut toc| toc.header()).unwrap_or_default()
    }

    /// The major version of the server.
    pub(crate) fn server_major(&self) -> Option<u32> {
        major(self.server.as_deref()?)
    }

    /// The major version of the pg_dump that made it.
    pub(crate) fn pg_dump_major(&self) -> Option<u32> {
        major(self.pg_dump.as_deref()?)
    }
}

fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `2026-11-21 02:17:00 UTC`: of the zones that pg_dump prints as letters, only this one says which it is.
fn time(text: &str) -> Option<Made> {
    let (date_time, zone) = text.rsplit_once(' ')?;
    matches!(zone, "UTC" | "GMT").then_some(())?;
    let time: DateTime = date_time.parse().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| Made::At(zoned.timestamp()))
}

/// The bytes of an archive's header, as every version since 8.0 writes them.
struct Toc<'a> {
    rest: &'a [u8],
    version: (u8, u8),
    int_bytes: usize,
}

impl<'a> Toc<'a> {
    fn new(head: &'a [u8]) -> Option<Self> {
        // Magic, three bytes of version, the sizes of an int and of an offset, the form.
        let [major, minor, _, int_bytes, _, _, rest @ ..] = head.strip_prefix(b"PGDMP")? else { return None };
        (1..=8).contains(int_bytes).then_some(Self {
            rest,
            version: (*major, *minor),
            int_bytes: usize::from(*int_bytes),
        })
    }

    fn header(&mut self) -> Option<Header> {
        if self.version >= (1, 15) {
            self.take(1)?;
        } else {
            self.int()?;
        }
        let [second, minute, hour, day, month, year, _] = self.ints::<7>()?;
        let time = || {
            let date = jiff::civil::Date::new(
                (year + 1900).try_into().ok()?,
                (month + 1).try_into().ok()?,
                day.try_into().ok()?,
            );
            let (hour, minute, second) = (hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?);
            Some(Made::Local(date.ok()?.to_datetime(jiff::civil::Time::new(hour, minute, second, 0).ok()?)))
        };
        let made = time();
        let database = self.text()?;
        Some(Header { made, database, server: self.text()?, pg_dump: self.text()?, of_cluster: false })
    }

    fn ints<const N: usize>(&mut self) -> Option<[i64; N]> {
        let mut ints = [0; N];
        for int in &mut ints {
            *int = self.int()?;
        }
        Some(ints)
    }

    /// A byte for the sign, then the value, its smallest byte first.
    fn int(&mut self) -> Option<i64> {
        let [sign] = *self.take(1)? else { return None };
        let bytes = self.take(self.int_bytes)?;
        let value =
            bytes.iter().rev().try_fold(0_i64, |value, byte| value.checked_mul(256)?.checked_add(i64::from(*byte)))?;
        Some(if sign == 0 { value } else { -value })
    }

    fn text(&mut self) -> Option<Option<String>> {
        let bytes = self.int()?;
        let Ok(bytes) = usize::try_from(bytes) else { return Some(None) };
        Some(Some(String::from_utf8_lossy(self.take(bytes)?).into_owned()))
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Made};

    #[test]
    fn a_script_says_what_it_is_of() {
        let head = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\n-- Dumped from database version 15.18 (Debian 1)\n\
                     -- Dumped by pg_dump version 17.2\n\n-- Started on 2026-11-21 02:17:00 UTC\n";
        let header = Header::of_script(head);
        assert_eq!((header.server.as_deref(), header.pg_dump_major()), (Some("15.18 (Debian 1)"), Some(17)));
        assert_eq!(header.made, Some(Made::At("2026-11-21T02:17:00Z".parse().unwrap())));
        assert_eq!(Header::of_script(b"-- Started on 2026-11-21 02:17:00 CET\n").made, None);
        assert!(Header::of_script(b"--\n-- PostgreSQL database cluster dump\n--\n").of_cluster);
    }

    #[test]
    fn an_archive_says_what_it_is_of_and_a_cut_one_nothing() {
        let mut head = b"PGDMP\x01\x0e\0\x04\x08\x01".to_vec();
        let mut int = |value: i32| {
            head.push(u8::from(value < 0));
            head.extend(value.unsigned_abs().to_le_bytes());
        };
        [-1, 0, 17, 2, 21, 10, 126, 0].into_iter().for_each(&mut int);
        for text in ["shop", "15.18 (Debian)", "15.18"] {
            head.push(0);
            head.extend((text.len() as u32).to_le_bytes());
            head.extend(text.as_bytes());
        }
        let header = Header::of_archive(&head);
        assert_eq!(header.made, Some(Made::Local("2026-11-21T02:17:00".parse().unwrap())));
        assert_eq!(header.database.as_deref(), Some("shop"));
        assert_eq!((header.server.as_deref(), header.pg_dump_major()), (Some("15.18 (Debian)"), Some(15)));
        for cut in 0..head.len() {
            assert_eq!(Header::of_archive(&head[..cut]), Header::default(), "{cut}");
        }
    }
}
