//! The restore drill: restores a backup into a scratch database, proves what is in it, measures how long that took, leaves
//! a record, and cleans up whatever happens.
//!
//! Invariants: a drill that proved no data never passes, and what could not be found out is never taken for a yes. Nothing
//! of a drill outlives it, however it ends: what is left after `kill -9` bears a lease, and the next drill or [`scratch::gc`]
//! removes it. A drill never writes to a database that it did not create.

pub mod check;
mod drill;
pub mod evidence;
mod findings;
pub mod history;
mod killed;
mod known;
mod options;
pub mod record;
mod recording;
pub mod report;
pub mod scratch;
mod stopwatch;
mod verdict;

pub use drill::{drill, not_begun};
pub use killed::{Finder, end_killed};
pub use lifeboat_core::drill::{Proven, Verdict};
pub use options::DrillOptions;
pub use report::DrillReport;
