//! Where a script is cut: into parts, ranges and objects.

use lifeboat_core::codec::Compression;
use lifeboat_core::store::layout::Piece;

/// When ranges and objects end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    pub(super) part_bytes: usize,
    pub(super) parts_max: u64,
    pub(super) chunk_bytes: u64,
    pub(super) sql_range_bytes: u64,
    /// Which piece of the backup's script this is.
    pub(super) piece: Piece,
    /// Says how the names of its objects end.
    pub(super) compression: Compression,
}
