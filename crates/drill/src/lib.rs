//! The restore drill: restores a backup into a scratch database, proves what is in it, measures how long that took, leaves
//! a record, and cleans up whatever happens.
//!
//! Invariants: a drill that proved no data never passes, and what could not be found out is never taken for a yes. Nothing
//! of a drill outlives it, however it ends: what is left after `kill -9` bears a lease, and the next drill or [`scratch::gc`]
//! removes it. A drill never writes to a database that it did not create.

pub mod check;
pub mod evidence;
pub mod history;
pub mod record;
pub mod report;
pub mod scratch;

pub use lifeboat_core::drill::{Proven, Verdict};
pub use report::DrillReport;
