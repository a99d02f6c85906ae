//! Cuts tables into chunks: every row in exactly one, whatever happens to the table meanwhile.
//!
//! A chunk is a table, or a range of its pages by `ctid`. The snapshot decides which rows exist; a row's `ctid` under it does
//! not change, and the last range of a table has no end, so rows on pages that came later are in it.

use std::ops::Range;

use crate::leader::SourceTable;

/// What one COPY reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Position among the tables.
    pub table: usize,
    /// Its pages; all of them without a range. `u64::MAX` is no end.
    pub pages: Option<Range<u64>>,
    /// What it weighs, in bytes on the server.
    pub bytes: u64,
    /// How often it was begun and given back.
    pub tries: u32,
}

/// How tables are cut.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// Connections that read.
    pub workers: usize,
    /// Bytes of a table above which it is cut in any case.
    pub chunk_bytes: u64,
    /// Whether the server reads a range of pages without reading the others: PostgreSQL 14.
    pub by_pages: bool,
}

/// A table as far as it matters for cutting it.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Pages of the table itself.
    pub pages: u64,
    /// Bytes of the table and of its TOAST table.
    pub bytes: u64,
    /// Whether its rows lie in numbered pages, and a query can ask for those of some pages.
    pub can_be_cut: bool,
}

/// The chunks of all tables, the largest first: a small one at the end keeps nobody waiting.
#[must_use]
pub fn plan(tables: &[Extent], options: PlanOptions) -> Vec<Chunk> {
    let total: u64 = tables.iter().map(|table| table.bytes).sum();
    let target = piece_bytes(total, options);
    let mut chunks: Vec<_> = tables
        .iter()
        .enumerate()
        .flat_map(|(position, table)| cut(position, *table, if options.by_pages { target } else { u64::MAX }))
        .collect();
    chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.bytes));
    chunks
}

/// So small that the workers end together, and not so small that beginning a chunk costs anything.
fn piece_bytes(total: u64, options: PlanOptions) -> u64 {
    if options.workers < 2 {
        return options.chunk_bytes;
    }
    let even = total / (options.workers as u64 * PIECES_PER_WORKER);
    even.max(SMALLEST_PIECE_BYTES).min(options.chunk_bytes)
}

fn cut(position: usize, table: Extent, target: u64) -> Vec<Chunk> {
    let pieces = table.bytes.div_ceil(target.max(1)).min(table.pages);
    if pieces < 2 || !table.can_be_cut {
        return vec![Chunk { table: position, pages: None, bytes: table.bytes, tries: 0 }];
    }
    // Wide: pages times pieces may not fit 64 bits.
    let page = |piece: u64| (u128::from(table.pages) * u128::from(piece) / u128::from(pieces)) as u64;
    let piece = |n| Chunk {
        table: position,
        pages: Some(page(n)..if n + 1 == pieces { u64::MAX } else { page(n + 1) }),
        bytes: table.bytes / pieces,
        tries: 0,
    };
    (0..pieces).map(piece).collect()
}

impl From<&SourceTable> for Extent {
    /// Pages mean something to heap tables only; a query without columns prints no rows of a range.
    fn from(table: &SourceTable) -> Self {
        let can_be_cut = table.heap && table.condition.is_none() && !table.columns.is_empty();
        Self { pages: table.pages, bytes: table.bytes, can_be_cut }
    }
}

const PIECES_PER_WORKER: u64 = 6;
const SMALLEST_PIECE_BYTES: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Chunk, Extent, PlanOptions, plan};

    fn tables() -> impl Strategy<Value = Vec<Extent>> {
        let table = (any::<bool>(), 0_u64..1 << 32, 0_u64..1 << 45).prop_map(|(can_be_cut, pages, toast)| Extent {
            can_be_cut,
            pages,
            bytes: pages * 8192 + toast,
        });
        prop::collection::vec(table, 0..8)
    }

    fn holds(chunk: &Chunk, table: usize, page: u64) -> bool {
        chunk.table == table && chunk.pages.as_ref().is_none_or(|pages| pages.contains(&page))
    }

    proptest! {
        #[test]
        fn every_page_is_in_exactly_one_chunk(
            tables in tables(), workers in 1_usize..9, chunk_mib in 1_u64..2048, by_pages in any::<bool>(), probe in 0_u64..1 << 33,
        ) {
            // Chunks of a small size are too many to look at: what counts is how they meet.
            let chunk_bytes = (chunk_mib << 20).max(tables.iter().map(|table| table.bytes).sum::<u64>() >> 10);
            let chunks = plan(&tables, PlanOptions { workers, chunk_bytes, by_pages });
            for (table, source) in tables.iter().enumerate() {
                let own: Vec<_> = chunks.iter().filter(|chunk| chunk.table == table).collect();
                let edges = own.iter().filter_map(|chunk| chunk.pages.clone()).flat_map(|pages| [pages.start, pages.end - 1]);
                for page in edges.chain([0, source.pages, source.pages.saturating_sub(1), probe, u64::MAX - 1]) {
                    let holding = own.iter().filter(|chunk| holds(chunk, table, page)).count();
                    prop_assert_eq!(holding, 1, "page {} of {:?}", page, source);
                }
                prop_assert!(by_pages || own.len() == 1);
                prop_assert!(own.iter().all(|chunk| chunk.pages.as_ref().is_none_or(|pages| pages.start < pages.end)));
            }
            prop_assert!(chunks.is_sorted_by_key(|chunk| std::cmp::Reverse(chunk.bytes)));
        }
    }

    #[test]
    fn a_large_table_is_cut_for_several_workers_and_a_small_one_is_not() {
        let table = |mib: u64| Extent { can_be_cut: true, pages: mib * 128, bytes: mib << 20 };
        let pieces = |workers| {
            let options = PlanOptions { workers, chunk_bytes: 512 << 20, by_pages: true };
            plan(&[table(600), table(10)], options).iter().filter(|chunk| chunk.table == 0).count()
        };
        assert_eq!((pieces(1), pieces(2)), (2, 12));
    }
}
