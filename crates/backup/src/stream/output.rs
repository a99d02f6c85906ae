//! Where the indexer's bytes go: one object after another, each in ranges.

use lifeboat_core::Result;
use lifeboat_core::codec::{ByteRange, ObjectWriter, PartSink, WrittenObject};

/// Takes the script in order, and the places where ranges and objects end.
pub(super) trait Output {
    /// Takes bytes of the current range.
    fn write(&mut self, sql: &[u8]) -> Result<()>;
    /// Ends the current range, which is not empty.
    fn end_range(&mut self) -> Result<()>;
    /// Ends the current object, directly after a range, and begins the one called `name`.
    fn next_object(&mut self, name: String) -> Result<()>;
}

/// Opens the writers of the script's objects.
pub(super) trait Objects {
    /// Takes the parts of one object.
    type Sink: PartSink;

    /// The writer of the object called `name` in the backup's folder.
    fn open(&mut self, name: &str) -> Result<ObjectWriter<Self::Sink>>;
}

/// Writes the script into its objects. Dropped before [`ScriptWriter::finish`], it leaves the last one incomplete.
pub(super) struct ScriptWriter<O: Objects> {
    objects: O,
    name: String,
    writer: ObjectWriter<O::Sink>,
    written: Written,
}

/// What the script became.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By name, in order.
    pub(super) objects: Vec<(String, WrittenObject)>,
    /// In order, each with the position of its object.
    pub(super) ranges: Vec<(usize, ByteRange)>,
}

impl<O: Objects> ScriptWriter<O> {
    /// Begins the first object.
    pub(super) fn new(mut objects: O, name: String) -> Result<Self> {
        let writer = objects.open(&name)?;
        Ok(Self { objects, name, writer, written: Written::default() })
    }

    /// Ends the last object.
    pub(super) fn finish(mut self) -> Result<Written> {
        self.written.objects.push((self.name, self.writer.finish()?));
        Ok(self.written)
    }
}

impl<O: Objects> Output for ScriptWriter<O> {
    fn write(&mut self, sql: &[u8]) -> Result<()> {
        self.writer.write(sql)
    }

    fn end_range(&mut self) -> Result<()> {
        let object = self.written.objects.len();
        let range = self.writer.end_range()?;
        self.written.ranges.extend(range.map(|range| (object, range)));
        Ok(())
    }

    fn next_object(&mut self, name: String) -> Result<()> {
        let full = std::mem::replace(&mut self.writer, self.objects.open(&name)?);
        let name = std::mem::replace(&mut self.name, name);
        self.written.objects.push((name, full.finish()?));
        Ok(())
    }
}
