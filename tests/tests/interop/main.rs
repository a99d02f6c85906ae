//! What other implementations of the standards read of ours, and we of theirs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod cobblestone;
mod columns;
mod peer;
