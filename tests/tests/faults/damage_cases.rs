//! Every way in which one object of a backup is damaged, each with a name.

use lifeboat_core::codec::{Compression, Members};
use lifeboat_core::index::{Content, Index, Range};

use crate::world::Objects;

/// One object that is not what was stored.
pub(crate) struct Case {
    /// What was done, as in `dump-0000.sql.gz cut to 0 bytes`.
    pub(crate) name: String,
    /// The object's name within the backup.
    pub(crate) object: String,
    /// Its bytes now; none when it is gone.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Whether it still has its length, so that only reading it tells.
    pub(crate) same_length: bool,
}

/// One backup to be damaged, and another one of the same database to take objects from.
pub(crate) struct Victim {
    /// The folder of the backup.
    pub(crate) folder: String,
    /// Everything in the store.
    pub(crate) objects: Objects,
    /// The folder of the other backup.
    pub(crate) other: String,
    /// The backup's index.
    pub(crate) index: Index,
    /// The names of the script's objects, as the index numbers them.
    pub(crate) script: Vec<String>,
}

impl Victim {
    /// The names of the backup's objects.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.objects.keys().filter_map(|key| key.strip_prefix(&self.folder));
        names.map(|name| name.trim_start_matches('/').to_owned()).collect()
    }

    /// The bytes of one of them.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        &self.objects[&format!("{}/{name}", self.folder)]
    }

    /// The store's objects with the damage done.
    pub(crate) fn damaged(&self, case: &Case) -> Objects {
        let mut objects = self.objects.clone();
        let key = format!("{}/{}", self.folder, case.object);
        match &case.bytes {
            Some(bytes) => objects.insert(key, bytes.clone()),
            None => objects.remove(&key),
        };
        objects
    }

    /// Every case there is.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<_> = self.names().iter().flat_map(|name| self.cases_of(name)).collect();
        cases.push(self.twins_swapped());
        cases
    }

    /// Whether a restore can see the damage: in a length, or in bytes that it reads. Those that only open and close COPY
    /// blocks it does not.
    pub(crate) fn restore_sees(&self, case: &Case) -> bool {
        let Some(bytes) = case.bytes.as_ref().filter(|_| case.same_length) else { return true };
        if ["index.json.gz", "manifest.json"].contains(&case.object.as_str()) {
            return true;
        }
        let original = self.bytes(&case.object);
        let differs = |(start, end): (usize, usize)| bytes[start..end] != original[start..end];
        let is_read = |range: &&Range| !matches!(range.content, Content::Sql { only_copy: true, .. });
        self.ranges_of(&case.object).filter(is_read).map(place).any(differs)
    }

    fn cases_of(&self, name: &str) -> Vec<Case> {
        let bytes = self.bytes(name);
        let length = bytes.len();
        let mut cuts = vec![0, 1, length / 2, length - 1];
        let mut flips = vec![0, 3, 9, length / 2, length - 8, length - 1];
        cuts.extend(self.boundaries(name, bytes));
        flips.extend(self.ranges_of(name).map(place).map(|(start, end)| start + (end - start) / 2));
        flips.extend(self.ranges_of(name).map(place).map(|(_, end)| end - 1));
        for places in [&mut cuts, &mut flips] {
            places.sort_unstable();
            places.dedup();
        }
        let cut = cuts.into_iter().map(|at| (format!("cut to {at} bytes"), Some(bytes[..at].to_vec())));
        let flipped = flips.into_iter().map(|at| (format!("bit flipped in byte {at}"), Some(flipped(bytes, at))));
        let appended = [("a zero", b"\0".to_vec()), ("a newline", b"\n".to_vec()), ("a member", member(name))];
        let appended =
            appended.into_iter().map(|(what, more)| (format!("with {what} appended"), Some([bytes, &more].concat())));
        let mut found: Vec<_> = cut.chain(flipped).chain(appended).collect();
        if name != "manifest.json" {
            // Without its manifest it is no backup at all: a test of its own.
            found.push(("missing".to_owned(), None));
        }
        let other = self.objects.get(&format!("{}/{name}", self.other));
        found.extend(other.filter(|other| *other != bytes).map(|o| ("of another backup".to_owned(), Some(o.clone()))));
        found.into_iter().map(|(what, now)| case(name, &what, now, length)).collect()
    }

    /// Starts of ranges, and of the members within them.
    fn boundaries(&self, name: &str, bytes: &[u8]) -> Vec<usize> {
        let begins = |window: &[u8]| [[0x1f, 0x8b, 8, 0], [0x28, 0xb5, 0x2f, 0xfd]].iter().any(|magic| window == magic);
        let magic = bytes.windows(4).enumerate().filter(|(_, window)| begins(window));
        let members = magic.map(|(at, _)| at).filter(|_| self.script.iter().any(|object| object == name));
        members.chain(self.ranges_of(name).map(place).map(|(start, _)| start)).filter(|at| *at > 0).collect()
    }

    /// The ranges in an object; none in one that is no part of the script.
    fn ranges_of(&self, name: &str) -> impl Iterator<Item = &Range> {
        let position = self.script.iter().position(|object| object == name);
        self.index.ranges.iter().filter(move |range| Some(range.object) == position)
    }

    /// Rows of two tables change places: every length in the backup stays what it was.
    fn twins_swapped(&self) -> Case {
        let rows = self.index.ranges.iter().filter(|range| matches!(range.content, Content::Rows(_)));
        let rows: Vec<_> = rows.collect();
        let are_twins = |a: &Range, b: &Range| a.object == b.object && a.bytes.length == b.bytes.length;
        let twin = |a: usize| rows[a + 1..].iter().find(|b| are_twins(rows[a], b)).map(|b| (rows[a], *b));
        let (a, b) = (0..rows.len()).find_map(twin).expect("the fixture has two ranges of equal length in one object");
        let object = &self.script[a.object];
        let ((a, end), (b, _)) = (place(a), place(b));
        let (length, script) = (end - a, self.bytes(object));
        let mut swapped = script.to_vec();
        swapped[a..a + length].copy_from_slice(&script[b..b + length]);
        swapped[b..b + length].copy_from_slice(&script[a..a + length]);
        assert_ne!(swapped, script);
        case(object, "two ranges swapped", Some(swapped), script.len())
    }
}

/// Where a range begins and ends in its object.
pub(crate) fn place(range: &Range) -> (usize, usize) {
    let start = range.bytes.offset as usize;
    (start, start + range.bytes.length as usize)
}

fn case(object: &str, what: &str, bytes: Option<Vec<u8>>, length: usize) -> Case {
    let same_length = bytes.as_ref().is_some_and(|bytes| bytes.len() == length);
    Case { name: format!("{object} {what}"), object: object.to_owned(), bytes, same_length }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << (at % 8);
    bytes
}

/// A whole member, so that gunzip or zstd alone would read on without a complaint.
fn member(name: &str) -> Vec<u8> {
    let mut members = Members::new(if name.ends_with(".zst") { Compression::Zstd } else { Compression::Gzip });
    members.write(b"INSERT INTO public.twin_a VALUES (1);\n").unwrap();
    members.end_member().unwrap();
    std::mem::take(members.output())
}
