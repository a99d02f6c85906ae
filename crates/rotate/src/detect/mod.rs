//! Which columns of a database a key opens, and in which layout: also the columns that nobody listed.
//!
//! Nothing is guessed. The values' looks only say which layouts are worth a trial; what is reported opened, and GCM opens by
//! chance once in 2^128. What looks encrypted and did not open is told as well: another key, another AAD, or none of the forms
//! that are known here.
//!
//! [`detect`] reads some rows of every table; [`examine`] looks at them, and knows no database.

#[cfg(feature = "database")]
mod catalog;
mod column;
mod documents;
mod examine;
mod forms;
mod look;
mod neighbours;
#[cfg(feature = "database")]
mod read;
mod rivals;
mod sample;
#[cfg(feature = "database")]
mod search;
#[cfg(test)]
mod tests;
mod texts;
mod trial;
mod within;

use serde::{Serialize, Serializer};

use crate::columns::{AadTemplate, KeyFormat, Layout};

pub use examine::{Examined, examine};
#[cfg(feature = "database")]
pub(crate) use rivals::{Found as FoundRivals, rivals};
pub use sample::{Row, Sample, SampledColumn};
#[cfg(feature = "database")]
pub(crate) use search::sample_of;
#[cfg(feature = "database")]
pub use search::{DetectOptions, Detection, NotLookedAt, detect};
pub use trial::TrialKey;

/// Columns that a key opens.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column; several where a value is spread over them, that of the ciphertext first.
    pub columns: Vec<String>,
    /// The table's primary key; empty when it has none.
    pub primary_key: Vec<String>,
    /// How most values lie there.
    #[serde(serialize_with = "printed")]
    pub layout: Layout,
    /// 12 or 16.
    pub iv_bytes: usize,
    /// How the key is made of the secret. Where the secret fits several formats that make the same key, one of them.
    #[serde(serialize_with = "printed")]
    pub key_format: KeyFormat,
    /// By which people compare the key.
    pub fingerprint: String,
    /// What else is authenticated.
    #[serde(serialize_with = "printed")]
    pub aad: AadTemplate,
    /// How many values were tried.
    pub sampled: usize,
    /// How many of them opened.
    pub opened: usize,
    /// Layouts in which others opened: one run for each.
    pub others: Vec<Other>,
    /// Other columns, or strings of the document, that open with the IV of this one: whichever is rotated first takes it from the
    /// others for ever.
    pub sharing: Vec<String>,
    /// A column beside it that may name the key.
    pub key_id_column: Option<String>,
}

/// Another layout in the same column.
#[derive(Clone, Debug, Serialize)]
pub struct Other {
    /// The layout.
    #[serde(serialize_with = "printed")]
    pub layout: Layout,
    /// How many values of the sample opened in it.
    pub opened: usize,
}

/// Ciphertexts that a key opens and no layout reaches: they lie in arrays, or in columns of other types than text, bytes and JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column, and the names of what they lie in; `[]` is any element of an array.
    pub place: String,
    /// How many values were tried that are long enough to be ciphertexts.
    pub sampled: usize,
    /// How many of them opened.
    pub opened: usize,
    /// By which people compare the key.
    pub fingerprint: String,
}

/// A column that looks encrypted and did not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column, and the names of what the values lie in, where that is a document.
    pub column: String,
    /// How many values were looked at.
    pub sampled: usize,
    /// What they look like.
    pub why: &'static str,
}

fn printed<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
