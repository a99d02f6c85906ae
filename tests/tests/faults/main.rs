//! What bad bytes, bad networks, signals and full disks do to a backup, a verify and a restore: a clear error, and
//! nothing half-made.
//!
//! Sweeps are bounded; `LIFEBOAT_TEST_LONG=1` runs them whole.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "whatever fails here is a failed test, and a seed is printed for its repetition"
)]

mod damage;
mod damage_cases;
mod damaged_by_hand;
mod disk;
mod killed;
mod memory;
mod network;
mod reading;
mod refusals;
mod signals;
mod stalled;
mod tools;
mod way;
mod world;
