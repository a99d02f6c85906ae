//! What other implementations of the standards read of ours, and we of theirs.

mod cobblestone;
mod python;
