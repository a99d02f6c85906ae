//! The Postgres client tools: where they are, how they are called, and what their end means.
//!
//! Invariant: a tool's output counts only when the tool ended well; no secret is in its arguments or environment.

mod child;
mod locate;
mod toolbox;

pub(crate) use child::{ExitGate, run};
pub(crate) use locate::find;
pub(crate) use toolbox::Toolbox;
