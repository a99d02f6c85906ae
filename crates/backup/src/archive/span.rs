//! Ranges that lie near each other in one object, fetched by one GET and proven each by itself: ten thousand small tables
//! must not be ten thousand GETs.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use lifeboat_core::index::Range;
use lifeboat_core::store::{BLOCK_BYTES, Store};
use lifeboat_core::{Job, Result};

use super::Archive;
use super::body::CompressedRange;
use super::proof::{compressed_bytes, unproven};

/// Ranges of one object in the order in which they lie there; never none.
#[derive(Clone, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) ranges: Vec<&'a Range>,
}

/// Puts ranges that follow each other and lie near each other into spans, as long as `fits` lets a range join the span so
/// far. A range that is longer than a span is one by itself.
pub(crate) fn spans<'a>(
    ranges: impl IntoIterator<Item = &'a Range>,
    mut fits: impl FnMut(&Span<'a>, &'a Range) -> bool,
) -> Vec<Span<'a>> {
    let mut spans: Vec<Span<'a>> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(span) if span.reaches(range) && fits(span, range) => span.ranges.push(range),
            _ => spans.push(Span { ranges: vec![range] }),
        }
    }
    spans
}

impl<'a> Span<'a> {
    /// Where its bytes lie in its object.
    fn bytes(&self) -> std::ops::Range<u64> {
        let (first, last) = (self.ranges[0], self.ranges[self.ranges.len() - 1]);
        first.bytes.offset..compressed_bytes(last).end
    }

    fn reaches(&self, next: &Range) -> bool {
        let (bytes, next_bytes) = (self.bytes(), compressed_bytes(next));
        next.object == self.ranges[0].object
            && next_bytes.start >= bytes.end
            && next_bytes.start - bytes.end <= GAP_BYTES
            && next_bytes.end - bytes.start <= SPAN_BYTES
    }

    /// The bytes of each of its ranges, in order, out of the span's.
    pub(crate) fn cut(&self, fetched: &Bytes) -> impl Iterator<Item = (&'a Range, Bytes)> {
        let start = self.bytes().start;
        self.ranges.iter().map(move |range| {
            let at = usize::try_from(range.bytes.offset - start).unwrap_or(usize::MAX);
            let length = usize::try_from(range.bytes.length).unwrap_or(usize::MAX);
            (*range, fetched.slice(at..at + length))
        })
    }
}

impl Archive {
    /// The compressed bytes of a span, unproven.
    pub(crate) async fn read_span(&self, store: &Store, job: &Job, span: &Span<'_>) -> Result<Bytes> {
        let bytes = span.bytes();
        let length = usize::try_from(bytes.end - bytes.start).unwrap_or_default();
        let mut fetched = BytesMut::with_capacity(length);
        let object = &self.manifest.script[span.ranges[0].object];
        let mut blocks = CompressedRange::read(store, job, self, object, bytes)?;
        while let Some(block) = blocks.next().await? {
            fetched.extend_from_slice(&block);
        }
        let first = span.ranges[0];
        if fetched.len() == length { Ok(fetched.freeze()) } else { Err(unproven(&self.name_of(first), first)) }
    }

    /// Reads ranges of SQL and gives each when it is proven.
    pub(crate) fn proven<'a>(&'a self, store: &'a Store, job: &'a Job, ranges: &[&'a Range]) -> Proven<'a> {
        let spans = spans(ranges.iter().copied(), |_, _| true);
        Proven { archive: self, store, job, spans: spans.into_iter(), fetched: VecDeque::new() }
    }

    /// What the bytes of a range decompress to, proven. For ranges of SQL, which are a few MiB.
    pub(crate) fn prove(&self, range: &Range, compressed_bytes: &[u8]) -> Result<Vec<u8>> {
        let mut proof = self.proof(range);
        let mut sql = Vec::with_capacity(usize::try_from(range.bytes.sql_bytes.min(BLOCK_BYTES)).unwrap_or_default());
        let mut left = compressed_bytes;
        while !left.is_empty() {
            sql.extend(proof.push(&mut left)?);
        }
        sql.extend(proof.finish()?);
        Ok(sql)
    }
}

/// Ranges of SQL being read.
pub(crate) struct Proven<'a> {
    archive: &'a Archive,
    store: &'a Store,
    job: &'a Job,
    spans: std::vec::IntoIter<Span<'a>>,
    fetched: VecDeque<(&'a Range, Bytes)>,
}

impl Proven<'_> {
    /// What the next range decompresses to, proven; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.fetched.is_empty()
            && let Some(span) = self.spans.next()
        {
            let bytes = self.archive.read_span(self.store, self.job, &span).await?;
            self.fetched = span.cut(&bytes).collect();
        }
        let Some((range, bytes)) = self.fetched.pop_front() else { return Ok(None) };
        self.archive.prove(range, &bytes).map(Some)
    }
}

/// What one GET fetches at most. A sealed span takes a little more in the store, and is one GET too.
const SPAN_BYTES: u64 = BLOCK_BYTES - (64 << 10);
/// What may lie between two ranges and is fetched for nothing: less than another GET costs.
const GAP_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lifeboat_core::codec::{ByteRange, Sha256};
    use lifeboat_core::index::{Content, Range, Section};

    use super::{GAP_BYTES, SPAN_BYTES, spans};

    fn range(object: usize, offset: u64, length: u64) -> Range {
        let bytes = ByteRange { offset, length, sha256: Sha256::of(b""), sql_bytes: length };
        Range { object, bytes, content: Content::Sql { section: Section::Data, only_copy: false } }
    }

    fn lengths(ranges: &[Range]) -> Vec<usize> {
        spans(ranges, |_, _| true).iter().map(|span| span.ranges.len()).collect()
    }

    #[test]
    fn ranges_that_lie_near_each_other_are_one_span() {
        assert_eq!(lengths(&[range(0, 0, 10), range(0, 10, 10), range(0, 40, 10)]), [3]);
        assert_eq!(lengths(&[range(0, 0, 10), range(0, 11 + GAP_BYTES, 10)]), [1, 1]);
        assert_eq!(lengths(&[range(0, 0, 10), range(1, 10, 10)]), [1, 1], "of two objects");
        assert_eq!(lengths(&[range(0, 50, 10), range(0, 0, 10)]), [1, 1], "in another order");
        assert_eq!(lengths(&[range(0, 0, SPAN_BYTES - 5), range(0, SPAN_BYTES - 5, 5)]), [2]);
        assert_eq!(lengths(&[range(0, 0, SPAN_BYTES), range(0, SPAN_BYTES, 1)]), [1, 1]);
    }

    #[test]
    fn a_span_is_cut_into_the_bytes_of_its_ranges() {
        let ranges = [range(0, 5, 3), range(0, 10, 2)];
        let found = spans(&ranges, |_, _| true);
        let cut: Vec<_> = found[0].cut(&Bytes::from_static(b"abc--de")).map(|(_, bytes)| bytes).collect();
        assert_eq!(cut, ["abc", "de"]);
    }
}
