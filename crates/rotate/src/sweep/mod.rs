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
mod aftermath;
mod again;
mod batch;
mod binding;
mod book;
mod catalog;
mod claim;
mod confirm;
mod counts;
mod culprit;
mod errand;
mod finalize;
mod in_flight;
mod judge;
mod keys;
mod lane;
mod leader;
mod left;
mod offline;
mod online;
mod options;
mod overlap;
mod own;
mod pace;
mod part;
mod pass;
mod plan;
mod remaining;
mod rivals;
mod rollback;
mod run;
mod sample;
mod schema;
mod session;
mod sql;
mod staged;
mod status;
mod store;
mod strays;
mod tally;
mod target;
mod traffic;
mod transaction;
mod trial;
mod triggers;
mod under_way;
mod unwritten;
mod verify;
mod wire;
mod work;
mod worker;

pub use accept::AcceptList;
pub use binding::Declared;
pub use catalog::{Holder, holders};
pub use counts::{Counts, Failure, Failures, Why, key_text};
pub use finalize::{Finalized, FinalizedTarget, finalize};
pub use options::{Limits, Mode, Order, SweepOptions};
pub use plan::{ColumnPlan, Plan, Relation, Rows, Sampled, TargetPlan, Trigger, plan};
pub use rollback::rollback;
pub use run::{Resumed, Summary, TargetSummary, run};
pub use status::{Direction, Phase, Status, TargetStatus, status};
pub use target::{KeyPair, KeySource, TableName, Target};
pub use triggers::has_triggers;
pub use verify::{TargetVerification, Verification, verify};
