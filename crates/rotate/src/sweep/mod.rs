//! Rotation of the keys of a database's encrypted columns, by [`Keyring`](crate::Keyring) and SQL.
//!
//! ```text
//! rows in batches ──> Keyring::reencrypt ──> UPDATE … WHERE the value is still the one that was read, and the checkpoint
//! ```
//!
//! Invariants: a value is written only in the place of the very value it was made of; what a batch wrote and how far the
//! sweep has come are committed together; nothing is written unless the keys opened a sample before; and a rotation is over
//! only when a pass over all rows had nothing to write. What is known of a rotation lies in a schema of its own,
//! `lifeboat_rotate`.

mod accept;
mod counts;
mod finalize;
mod options;
mod plan;
mod rollback;
mod run;
mod status;
mod target;
mod verify;

pub use accept::AcceptList;
pub use counts::{Counts, Failure, Failures};
pub use finalize::{Finalized, FinalizedTarget, finalize};
pub use options::{Limits, Mode, Order, SweepOptions};
pub use plan::{ColumnPlan, Plan, Relation, Rows, Sampled, TargetPlan, Trigger, plan};
pub use rollback::rollback;
pub use run::{Resumed, Summary, TargetSummary, run};
pub use status::{Direction, Phase, Status, TargetStatus, status};
pub use target::{KeyPair, KeySource, TableName, Target};
pub use verify::{TargetVerification, Verification, verify};
