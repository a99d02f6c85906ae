//! What a plan says.

use serde::Serialize;

use crate::sweep::counts::Counts;
use crate::sweep::options::{Mode, Order};
use crate::sweep::status::TargetStatus;
use crate::sweep::target::TableName;

/// What a rotation would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What the application can do meanwhile: as asked for, or as the rotation under way began.
    pub mode: Mode,
    /// Whether a run is at work now.
    pub running: bool,
    /// One for each target, in their order.
    pub targets: Vec<TargetPlan>,
    /// What the server's state means for the rotation: standbys, publications.
    pub remarks: Vec<String>,
}

impl Plan {
    /// Everything that makes [`run`](crate::sweep::run()) refuse.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().flat_map(|target| target.refusals.iter().map(String::as_str))
    }
}

/// What a rotation would do with one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetPlan {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// The columns of a value.
    pub columns: Vec<ColumnPlan>,
    /// The layout.
    pub layout: String,
    /// The fingerprint of the key that values are under before.
    pub old_key: String,
    /// The fingerprint of the key that they are under afterwards.
    pub new_key: String,
    /// The rotation that is under way.
    pub under_way: Option<TargetStatus>,
    /// The table itself, or its partitions and children that hold rows.
    pub relations: Vec<Relation>,
    /// Rows, as the server estimates.
    pub rows: Rows,
    /// Triggers that every update fires.
    pub triggers: Vec<Trigger>,
    /// Indexes over a column of the value, by name; unique ones too.
    pub indexes: Vec<String>,
    /// A sample, tried with both keys: `rotated` are under the old one.
    pub sample: Sampled,
    /// What [`run`](crate::sweep::run()) would refuse, with what to do about it.
    pub refusals: Vec<String>,
    /// What the operator should know.
    pub remarks: Vec<String>,
}

/// A column of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnPlan {
    /// Its name.
    pub name: String,
    /// Its type, as Postgres prints it.
    pub kind: String,
}

/// A table that holds rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// Its name.
    pub name: TableName,
    /// The columns by which its rows are named. Empty: they are named by their place.
    pub key: Vec<String>,
    /// In which order it is read.
    pub order: Order,
    /// Rows and bytes, as the server estimates.
    pub rows: Rows,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Rows, as the server estimates.
    pub estimate: u64,
    /// Bytes with TOAST and indexes: about what a rotation adds until vacuum has passed.
    pub bytes: u64,
}

/// A trigger that every update fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Its function.
    pub function: String,
    /// Whether it may change the row before it is written.
    pub before: bool,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Rows that were looked at.
    pub rows: u64,
    /// What became of them.
    pub counts: Counts,
}
