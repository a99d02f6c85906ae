//! How a restored backup is checked.

use std::time::Duration;

use super::{Assert, EncryptedColumns};

/// How a restored backup is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Sessions that read rows at once.
    pub jobs: usize,
    /// Which rows are compared.
    pub rows: RowsOptions,
    /// How old the backup's snapshot may be when the drill begins; not checked without.
    pub rpo: Option<Duration>,
    /// What counts as a suspicious change since the backup before.
    pub shape: ShapeOptions,
    /// The columns that are declared as encrypted.
    pub encrypted: EncryptedColumns,
    /// The operator's own assertions.
    pub asserts: Vec<Assert>,
}

/// Which rows are compared with their fingerprints: those of all tables, or a part that rotates from drill to drill.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsOptions {
    /// No table is begun after this time, but those that `within` demands. The tables that were proven longest ago come first.
    pub budget: Option<Duration>,
    /// Every table is proven at least once in so many drills, whatever the budget.
    pub within: Option<u32>,
}

impl RowsOptions {
    /// How many earlier drills have to be looked at to know what this one must prove.
    #[must_use]
    pub fn reports_wanted(&self) -> usize {
        self.budget.and(self.within).map_or(0, |within| usize::try_from(within).unwrap_or(usize::MAX))
    }
}

/// What counts as a suspicious change of a table since the backup before.
#[derive(Clone, Copy, Debug)]
pub struct ShapeOptions {
    /// Tables of fewer bytes, in the backup before, are not judged: they change by chance.
    pub least_bytes: u64,
    /// The part of its rows that a table, or the whole database, may lose; 1 lets them lose all.
    pub shrink: f64,
    /// Rows are suspicious that compress worse than this, in bytes of text for one compressed byte. Encrypted bytes do not compress,
    /// but a dump prints them as hexadecimal digits or they are stored as base64: these compress 1.8 to 1, and 1.3 to 1. And …
    pub ratio: f64,
    /// … worse than this part of how they compressed in the backup before: tokens and digests never compressed well.
    pub ratio_falls: f64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            jobs: 2,
            rows: RowsOptions::default(),
            rpo: None,
            shape: ShapeOptions::default(),
            encrypted: EncryptedColumns::default(),
            asserts: Vec::new(),
        }
    }
}

impl Default for ShapeOptions {
    fn default() -> Self {
        Self { least_bytes: 1 << 20, shrink: 0.5, ratio: 2.2, ratio_falls: 0.6 }
    }
}
