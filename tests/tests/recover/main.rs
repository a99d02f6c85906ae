//! `recover.py` opens what the product's own code sealed, without it, and refuses everything else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archive;
mod kept;
mod opens;
mod psql;
mod refusals;
mod sealed;
