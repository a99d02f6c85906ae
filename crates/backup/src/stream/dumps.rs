//! Counts the dumps in a script, by the first and the last line that pg_dump gives each.
//!
//! Several may stand behind each other, and the last one's end says nothing of those before it. Lines are counted as they are, also
//! within rows: behind a dump that is cut between two rows, the next one's first line is a row to whoever reads the script. What
//! values and comments say of dumps lacks the dashes that pg_dump prints above either line.

use lifeboat_core::{Error, Kind, Result, counted};

/// The dumps of a script, whatever else is in it.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    /// As much of the line under way as tells it.
    line: Vec<u8>,
    /// Its last two bytes so far.
    tail: [u8; 2],
    /// Those of the line before. Where a dump is cut within a line, the dashes of the next one are at the end of that.
    before: [u8; 2],
    begun: u64,
    ended: u64,
}

impl Dumps {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.add(&rest[..at]);
            self.end_line();
            rest = &rest[at + 1..];
        }
        self.add(rest);
    }

    /// # Errors
    /// [`Kind::Integrity`] for a dump that has begun and not ended.
    pub(super) fn end(mut self) -> Result<()> {
        self.end_line();
        if self.ended >= self.begun {
            return Ok(());
        }
        let (begun, ended) = (counted(self.begun, "dump"), self.ended);
        let doing = format!(
            "find the last line of pg_dump, \"PostgreSQL database dump complete\": {begun} began and {ended} ended"
        );
        Err(Error::new(Kind::Integrity, doing).hint(CUT))
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        for byte in &bytes[bytes.len().saturating_sub(2)..] {
            self.tail = [self.tail[1], *byte];
        }
    }

    fn end_line(&mut self) {
        if self.before == *DASHES {
            self.begun += u64::from(self.line == FIRST);
            self.ended += u64::from(self.line == LAST);
        }
        self.before = std::mem::take(&mut self.tail);
        self.line.clear();
    }
}

const DASHES: &[u8; 2] = b"--";
const FIRST: &[u8] = b"-- PostgreSQL database dump";
const LAST: &[u8] = b"-- PostgreSQL database dump complete";
/// A line that is longer is neither.
const LINE_BYTES: usize = LAST.len() + 1;
const CUT: &str = "pg_dump began what it did not end: the dump is cut, whatever stands behind it, and psql would keep the rows that it \
    has and end well. Use another file; where this is all there is, run it by psql yourself";

#[cfg(test)]
mod tests {
    use super::Dumps;

    /// Whether each dump has its end, whatever the slices.
    fn is_whole(script: &str) -> bool {
        let whole = |length: usize| {
            let mut dumps = Dumps::default();
            script.as_bytes().chunks(length).for_each(|slice| dumps.push(slice));
            dumps.end().is_ok()
        };
        let answers = [1, 7, 28, 4096].map(whole);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{script}: {answers:?}");
        answers[0]
    }

    const FIRST: &str = "--\n-- PostgreSQL database dump\n--\n\n";
    const LAST: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";

    #[test]
    fn a_dump_needs_its_end_and_a_script_of_hand_none() {
        assert!(is_whole("CREATE TABLE t (a int);\n"));
        assert!(is_whole(&format!("\\! date\n{FIRST}SELECT 1;\n{LAST}GRANT a TO b;\n")));
        assert!(is_whole(&format!("{FIRST}{LAST}{FIRST}{LAST}")));
        assert!(is_whole(&format!("{FIRST}{}", LAST.trim_end())));
        assert!(!is_whole(FIRST));
        assert!(!is_whole(&format!("{FIRST}{}", &LAST[..LAST.len() - 8])));
        assert!(!is_whole(&format!("{FIRST}{LAST}{FIRST}SELECT 1;\n")));
        assert!(!is_whole(&format!("{FIRST}SELECT 1;\n{FIRST}{LAST}")));
        assert!(!is_whole(&format!("{FIRST}-- PostgreSQL database dump complete, or so\n")));
        assert!(!is_whole(&format!("{FIRST}COPY public.t (a) FROM stdin;\na long row that is cu{FIRST}{LAST}")));
    }

    #[test]
    fn what_a_value_says_of_a_dump_is_none() {
        let (first, last) = ("-- PostgreSQL database dump\n", "-- PostgreSQL database dump complete\n");
        for before in ["", "INSERT INTO public.t VALUES ('\n", "COPY public.t (a) FROM stdin;\n", "-\n", "--\nx\n"] {
            assert!(is_whole(&format!("{FIRST}{before}{first}{LAST}")), "{before}");
            assert!(!is_whole(&format!("{FIRST}{before}{last}")), "{before}");
        }
    }
}
