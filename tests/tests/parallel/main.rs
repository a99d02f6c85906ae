//! The method `parallel` in trouble: lost connections, locks, changes beside it, roles with little, odd servers and shapes. It
//! gives the state of one moment, or a clear failure and no backup.
//!
//! Loops are bounded; `LIFEBOAT_TEST_LONG=1` runs them long.

#![expect(clippy::unwrap_used, reason = "whatever fails here is a failed test")]

mod ddl;
mod lost;
mod part;
mod pooler;
mod roles;
mod shapes;
mod standby;
mod world;
