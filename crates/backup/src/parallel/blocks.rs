//! Writes COPY blocks into objects: fingerprints, cuts ranges, compresses. Runs on a worker's own thread.

use lifeboat_core::Result;
use lifeboat_core::codec::{ByteRange, ObjectWriter, PartSink, RowLines, WrittenObject};
use lifeboat_core::index::{Content, Rows, Section};

/// Opens one object after another, each under a new name.
pub(super) trait Objects {
    /// Takes the parts of one object.
    type Sink: PartSink;

    /// The next object's name, and its writer.
    fn open(&mut self) -> Result<(String, ObjectWriter<Self::Sink>)>;

    /// Gives up the object called `name`, which was not finished.
    fn give_up(&mut self, name: &str);
}

/// An object of rows, whole.
#[derive(Debug)]
pub(super) struct DataObject {
    pub(super) name: String,
    pub(super) object: WrittenObject,
    /// In order.
    pub(super) ranges: Vec<(ByteRange, Content)>,
}

/// When ranges and objects end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    /// SQL bytes of rows after which a range ends.
    pub(super) range_bytes: u64,
    /// SQL bytes that an object may hold, whatever they are.
    pub(super) object_bytes: u64,
}

/// Writes the blocks of one worker. What is not finished is given up.
pub(super) struct Blocks<O: Objects> {
    objects: O,
    cuts: Cuts,
    open: Option<Open<O::Sink>>,
    finished: Vec<DataObject>,
    block: Option<Block>,
}

struct Open<S> {
    name: String,
    writer: ObjectWriter<S>,
    ranges: Vec<(ByteRange, Content)>,
    sql_bytes: u64,
    /// The end of the last block, not written yet: it shares a range with the beginning of the next.
    has_open_end: bool,
}

/// The block that is being written.
struct Block {
    relation: usize,
    opens: bool,
    range_bytes: u64,
    lines: RowLines,
}

const BLOCK_END: &[u8] = b"\\.\n\n";

impl<O: Objects> Blocks<O> {
    pub(super) fn new(objects: O, cuts: Cuts) -> Self {
        Self { objects, cuts, open: None, finished: Vec::new(), block: None }
    }

    /// Begins a block with its line `COPY … FROM stdin;`.
    pub(super) fn begin(&mut self, relation: usize, copy_line: &[u8]) -> Result<()> {
        let open = self.opened()?;
        if std::mem::take(&mut open.has_open_end) {
            open.write(BLOCK_END)?;
        }
        open.write(copy_line)?;
        open.end_range(Content::Sql { section: Section::Data, only_copy: true })?;
        self.block = Some(Block { relation, opens: true, range_bytes: 0, lines: RowLines::default() });
        Ok(())
    }

    /// Takes rows of the block; the last of them may be continued by the next call.
    pub(super) fn rows(&mut self, mut rows: &[u8]) -> Result<()> {
        // A range and an object end with the first row that fills them.
        while let Some(at) = self.room().checked_sub(1).filter(|at| *at < rows.len())
            && let Some(end) = memchr::memchr(b'\n', &rows[at..])
        {
            let (now, later) = rows.split_at(at + end + 1);
            self.write_rows(now)?;
            self.end_range_between_rows()?;
            rows = later;
        }
        self.write_rows(rows)
    }

    /// Ends the block.
    pub(super) fn end(&mut self) -> Result<()> {
        self.end_rows_range(true)?;
        self.block = None;
        self.opened()?.has_open_end = true;
        Ok(())
    }

    /// Ends the object at hand, between blocks, and gives all objects since the last call.
    pub(super) fn finish(&mut self) -> Result<Vec<DataObject>> {
        self.finish_object()?;
        Ok(std::mem::take(&mut self.finished))
    }

    /// Lets go of everything since the last [`Blocks::finish`].
    pub(super) fn give_up(&mut self) {
        self.block = None;
        self.finished.clear();
        if let Some(open) = self.open.take() {
            self.objects.give_up(&open.name);
        }
    }

    fn opened(&mut self) -> Result<&mut Open<O::Sink>> {
        if self.open.is_none() {
            let (name, writer) = self.objects.open()?;
            self.open = Some(Open { name, writer, ranges: Vec::new(), sql_bytes: 0, has_open_end: false });
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }

    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let block = self.block.as_mut().expect("rows come between the beginning and the end of a block");
        block.lines.push(rows)?;
        block.range_bytes += rows.len() as u64;
        self.opened()?.write(rows)
    }

    /// SQL bytes until the range or the object is full; one, when it is.
    fn room(&self) -> usize {
        let range = self.cuts.range_bytes.saturating_sub(self.block.as_ref().map_or(0, |block| block.range_bytes));
        let object = self.cuts.object_bytes.saturating_sub(self.open.as_ref().map_or(0, |open| open.sql_bytes));
        usize::try_from(range.min(object).max(1)).unwrap_or(usize::MAX)
    }

    /// An object that is full ends, and the block goes on in the next.
    fn end_range_between_rows(&mut self) -> Result<()> {
        self.end_rows_range(false)?;
        let is_full = self.open.as_ref().is_some_and(|open| open.sql_bytes >= self.cuts.object_bytes);
        if is_full { self.finish_object() } else { Ok(()) }
    }

    fn end_rows_range(&mut self, closes: bool) -> Result<()> {
        let block = self.block.as_mut().expect("a range of rows ends within a block");
        let fingerprint = block.lines.take()?;
        let rows = Rows { relation: block.relation, opens: block.opens, closes, fingerprint };
        if std::mem::take(&mut block.range_bytes) == 0 {
            if closes {
                self.mark_closed(rows.relation);
            }
            return Ok(());
        }
        block.opens = false;
        self.opened()?.end_range(Content::Rows(rows))
    }

    /// The block ended where its last range did: that one closes it.
    fn mark_closed(&mut self, relation: usize) {
        let ranges = self
            .finished
            .iter_mut()
            .map(|object| &mut object.ranges)
            .chain(self.open.iter_mut().map(|o| &mut o.ranges));
        let last = ranges.flatten().next_back();
        if let Some((_, Content::Rows(rows))) = last
            && rows.relation == relation
        {
            rows.closes = true;
        }
    }

    fn finish_object(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if std::mem::take(&mut open.has_open_end) {
            open.write(BLOCK_END)?;
            open.end_range(Content::Sql { section: Section::Data, only_copy: true })?;
        }
        let Open { name, writer, ranges, .. } = open;
        self.finished.push(DataObject { name, object: writer.finish()?, ranges });
        Ok(())
    }
}

impl<S: PartSink> Open<S> {
    fn write(&mut self, sql: &[u8]) -> Result<()> {
        self.sql_bytes += sql.len() as u64;
        self.writer.write(sql)
    }

    fn end_range(&mut self, content: Content) -> Result<()> {
        self.ranges.extend(self.writer.end_range()?.map(|range| (range, content)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
