//! What became of the values: seven counts, and the rows that did not open.

use std::fmt;

use serde::{Serialize, Serializer};

use super::target::TableName;
use crate::columns::{Outcome, Unopened};

/// How many values had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Written under the other key (in a dry run: would be).
    pub rotated: u64,
    /// Under that key before.
    pub already_new: u64,
    /// NULL or empty.
    pub empty: u64,
    /// Unlike anything the layout writes.
    pub plaintext: u64,
    /// Naming a key that is not at hand.
    pub unknown_key: u64,
    /// Opened by no key at hand.
    pub failed_authentication: u64,
    /// Like the layout, and cut or not of its encoding.
    pub malformed: u64,
}

impl Counts {
    /// Counts an outcome.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Rotated(_) => self.rotated += 1,
            Outcome::AlreadyNew => self.already_new += 1,
            Outcome::Unopened(why) => self.add_unopened(*why),
        }
    }

    /// Counts a value that did not open.
    pub(super) fn add_unopened(&mut self, why: Unopened) {
        *match why {
            Unopened::Empty => &mut self.empty,
            Unopened::Plaintext => &mut self.plaintext,
            Unopened::UnknownKey => &mut self.unknown_key,
            Unopened::FailedAuthentication => &mut self.failed_authentication,
            Unopened::Malformed(_) => &mut self.malformed,
        } += 1;
    }

    /// The sum of two.
    pub(super) fn merge(&mut self, other: &Self) {
        self.rotated += other.rotated;
        self.already_new += other.already_new;
        self.empty += other.empty;
        self.plaintext += other.plaintext;
        self.unknown_key += other.unknown_key;
        self.failed_authentication += other.failed_authentication;
        self.malformed += other.malformed;
    }

    /// Every value.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rotated + self.already_new + self.empty + self.unopened()
    }

    /// Values that keep the old key from being given up.
    #[must_use]
    pub fn unopened(&self) -> u64 {
        self.plaintext + self.unknown_key + self.failed_authentication + self.malformed
    }

    /// Those of them that are no plaintext, which is under no key.
    pub(super) fn broken(&self) -> u64 {
        self.unopened() - self.plaintext
    }

    /// Values that a key opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.rotated + self.already_new
    }

    /// The seven, by the names that reports use.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("rotated", self.rotated),
            ("already new", self.already_new),
            ("empty", self.empty),
            ("plaintext", self.plaintext),
            ("unknown key", self.unknown_key),
            ("failed authentication", self.failed_authentication),
            ("malformed", self.malformed),
        ]
    }
}

/// Why a row keeps the old key from being given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its value did not open.
    Unopened(Unopened),
    /// The old key opens it: it is merely not rotated yet.
    OldKey,
    /// The database refused its new value: the constraint, or the SQLSTATE of whatever did. The row is as it was.
    Refused(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unopened(why) => why.fmt(f),
            Self::OldKey => f.write_str("under the old key: `run` rotates it"),
            Self::Refused(by) => write!(f, "refused by the database ({by})"),
        }
    }
}

/// A row that did not open, or was not written: where it is and why, nothing of what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its table, or its partition.
    pub table: TableName,
    /// Its key, as Postgres prints it; its place (`(block,line)`) when it has none.
    pub key: Vec<String>,
    /// Why.
    #[serde(rename = "outcome", serialize_with = "in_words")]
    pub why: Why,
    /// Whether the accept list names it.
    pub accepted: bool,
}

impl Failure {
    /// The key in the form in which an accept list takes it.
    #[must_use]
    pub fn key_text(&self) -> String {
        key_text(&self.key)
    }

    /// Its place among others: what may be lost comes before what `run` mends, and what was given up comes last.
    fn standing(&self) -> u8 {
        match (self.accepted, &self.why) {
            (true, _) => 2,
            (false, Why::OldKey) => 1,
            (false, _) => 0,
        }
    }
}

/// A row's key in the form in which an accept list takes it.
#[must_use]
pub fn key_text(key: &[String]) -> String {
    let plain = |key: &str| !key.is_empty() && key.trim() == key && !key.starts_with(['[', '#']) && !key.contains('\n');
    match key {
        [only] if plain(only) => only.clone(),
        all => serde_json::Value::from(all.to_vec()).to_string(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.key_text(), self.why)
    }
}

fn in_words<S: Serializer>(why: &Why, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(why)
}

/// Rows that did not open: all are counted, the first ones named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// The first ones.
    pub named: Vec<Failure>,
    /// How many there are.
    pub total: u64,
    /// How many of them the accept list names.
    pub accepted: u64,
    /// How many of the others the old key opens, where it was tried: they are merely not rotated yet.
    pub under_old_key: u64,
    /// How many of the others are plaintext, which is under no key.
    #[serde(skip)]
    pub(super) plaintext: u64,
}

impl Failures {
    /// Notes a row; names it while there are fewer than `limit`: those first that nothing opens, those last that are accepted.
    pub(super) fn add(&mut self, failure: Failure, limit: usize) {
        self.total += 1;
        self.accepted += u64::from(failure.accepted);
        let is_plaintext = failure.why == Why::Unopened(Unopened::Plaintext);
        self.plaintext += u64::from(is_plaintext && !failure.accepted);
        self.under_old_key += u64::from(failure.why == Why::OldKey);
        self.name(failure, limit);
    }

    fn name(&mut self, failure: Failure, limit: usize) {
        let place = self.named.partition_point(|before| before.standing() <= failure.standing());
        if place < limit {
            self.named.insert(place, failure);
            self.named.truncate(limit);
        }
    }

    pub(super) fn merge(&mut self, other: Self, limit: usize) {
        self.total += other.total;
        self.accepted += other.accepted;
        self.plaintext += other.plaintext;
        self.under_old_key += other.under_old_key;
        other.named.into_iter().for_each(|failure| self.name(failure, limit));
    }

    /// The first ones that the accept list does not name, for the text of an error.
    pub(super) fn some_unaccepted(&self) -> String {
        let some = self.named.iter().filter(|failure| !failure.accepted).take(SHOWN);
        some.map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// How many ciphertexts no key opened that the accept list does not name.
    pub(super) fn broken(&self) -> u64 {
        self.unaccepted() - self.plaintext
    }

    /// How many the accept list does not name, and no key opened that was tried.
    #[must_use]
    pub fn unopened(&self) -> u64 {
        self.unaccepted() - self.under_old_key
    }

    /// How many the accept list does not name.
    #[must_use]
    pub fn unaccepted(&self) -> u64 {
        self.total - self.accepted
    }
}

/// Rows that an error names.
const SHOWN: usize = 10;
