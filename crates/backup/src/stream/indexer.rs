//! Turns the script that `pg_dump` prints into objects, and notes where everything lies.
//!
//! Invariant: the objects' bytes, decompressed and concatenated, are the preamble and the script, unchanged; the ranges
//! cover them without a gap; and every row was fingerprinted as it passed.

use std::collections::HashMap;

use lifeboat_core::codec::{Fingerprint, ObjectWriter, PartSink, RowLines, WrittenObject};
use lifeboat_core::index::{Content, Range, Rows, Section};
use lifeboat_core::store::layout;
use lifeboat_core::{Error, Kind, Result};

use crate::script::{CopyTarget, Lexer, Setval, SqlName, StatementKind, Token, Trailer, comment_header, setval};

/// Opens the sinks of the script's objects.
pub(super) trait Objects {
    /// Takes the parts of one object.
    type Sink: PartSink;

    /// The sink of the object called `name` in the backup's folder.
    fn open(&mut self, name: &str) -> Self::Sink;
}

/// When ranges and objects end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    pub(super) part_bytes: usize,
    pub(super) parts_max: u64,
    pub(super) chunk_bytes: u64,
    pub(super) sql_range_bytes: u64,
}

/// What the script held and where it lies.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) objects: Vec<(String, WrittenObject)>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) relations: Vec<CopiedRelation>,
    pub(crate) sequences: Vec<SetSequence>,
    pub(crate) large_objects: u64,
}

/// A relation whose rows are in the script, under the names that the script's bytes give it.
#[derive(Debug)]
pub(crate) struct CopiedRelation {
    pub(crate) schema: Option<SqlName>,
    pub(crate) name: SqlName,
    pub(crate) columns: Vec<SqlName>,
    pub(crate) fingerprint: Fingerprint,
}

/// A sequence as the script sets it.
#[derive(Debug)]
pub(crate) struct SetSequence {
    pub(crate) schema: Option<SqlName>,
    pub(crate) name: SqlName,
    pub(crate) value: i64,
    pub(crate) called: bool,
}

/// Indexes a script that is pushed in slices.
pub(super) struct Indexer<O: Objects> {
    lexer: Lexer,
    state: State<O>,
}

struct State<O: Objects> {
    objects: O,
    cuts: Cuts,
    writer: ObjectWriter<O::Sink>,
    name: String,
    script: Script,
    positions: HashMap<CopyKey, usize>,
    statement: Vec<u8>,
    section: Section,
    range_section: Section,
    block: Option<Block>,
}

/// The COPY block whose rows are being read.
struct Block {
    relation: usize,
    opens: bool,
    lines: RowLines,
}

/// A table may be copied in several blocks: partitions that are loaded through their root.
type CopyKey = (Vec<u8>, Vec<u8>);

/// What pg_dump does not set and the input of a value depends on.
const PREAMBLE: &[u8] = b"SET lc_monetary = 'C';\n";

impl<O: Objects> Indexer<O> {
    pub(super) fn new(mut objects: O, cuts: Cuts) -> Result<Self> {
        let name = layout::dump(0);
        let writer = ObjectWriter::new(objects.open(&name), cuts.part_bytes);
        let mut state = State {
            objects,
            cuts,
            writer,
            name,
            script: Script::default(),
            positions: HashMap::new(),
            statement: Vec::new(),
            section: Section::PreData,
            range_section: Section::PreData,
            block: None,
        };
        state.writer.write(PREAMBLE)?;
        state.end_sql_range()?;
        Ok(Self { lexer: Lexer::new(), state })
    }

    /// Takes the next slice of the script.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<()> {
        let state = &mut self.state;
        self.lexer.push(input, &mut |token| state.token(token))
    }

    /// Ends the script, but not its last object: that waits for `pg_dump`'s exit status.
    pub(super) fn end(self) -> Result<Ended<O>> {
        if self.lexer.finish()? != Trailer::Database {
            return Err(Error::new(Kind::Integrity, "find pg_dump's last line: its output is incomplete"));
        }
        let mut state = self.state;
        state.flush_statement()?;
        state.end_sql_range()?;
        Ok(Ended(state))
    }
}

/// A script that was read to its end.
pub(super) struct Ended<O: Objects>(State<O>);

impl<O: Objects> Ended<O> {
    /// Ends the last object. Not called, the object is never completed.
    pub(super) fn finish(self) -> Result<Script> {
        let State { mut script, writer, name, .. } = self.0;
        script.objects.push((name, writer.finish()?));
        Ok(script)
    }
}

impl<O: Objects> State<O> {
    fn token(&mut self, token: Token<'_>) -> Result<()> {
        match token {
            Token::Sql(bytes) => {
                self.statement.extend_from_slice(bytes);
                Ok(())
            }
            Token::StatementEnd(kind) => self.statement_end(kind),
            Token::CopyBegin(target) => self.copy_begin(&target),
            Token::Rows(rows) => self.rows(rows),
            Token::CopyEnd => self.copy_end(),
        }
    }

    fn statement_end(&mut self, kind: StatementKind) -> Result<()> {
        if kind == StatementKind::Sql {
            self.note_section()?;
            self.note_value();
        }
        self.flush_statement()?;
        if self.writer.range_sql_bytes() >= self.cuts.sql_range_bytes {
            self.end_sql_range()?;
        }
        Ok(())
    }

    /// Ends the range before a statement of another section.
    fn note_section(&mut self) -> Result<()> {
        let Some(section) = comment_header(&self.statement).and_then(|header| header.section()) else { return Ok(()) };
        if section != self.section {
            self.end_sql_range()?;
            self.section = section;
            self.range_section = section;
        }
        Ok(())
    }

    fn note_value(&mut self) {
        let body = crate::script::Statement { text: &self.statement, kind: StatementKind::Sql }.body();
        if let Some(set) = setval(body) {
            let Setval { schema, sequence: name, value, is_called: called } = set;
            self.script.sequences.push(SetSequence { schema, name, value, called });
        } else if body.starts_with(b"SELECT pg_catalog.lo_open(") {
            self.script.large_objects += 1;
        }
    }

    fn flush_statement(&mut self) -> Result<()> {
        if !self.statement.is_empty() {
            self.writer.write(&self.statement)?;
            self.statement.clear();
        }
        Ok(())
    }

    fn copy_begin(&mut self, target: &CopyTarget) -> Result<()> {
        self.note_section()?;
        self.flush_statement()?;
        self.end_sql_range()?;
        let relation = self.relation(target);
        self.block = Some(Block { relation, opens: true, lines: RowLines::default() });
        Ok(())
    }

    fn relation(&mut self, target: &CopyTarget) -> usize {
        let schema = target.schema.as_ref();
        let key = (schema.map(|s| s.as_bytes().to_vec()).unwrap_or_default(), target.table.as_bytes().to_vec());
        let relations = &mut self.script.relations;
        *self.positions.entry(key).or_insert_with(|| {
            relations.push(CopiedRelation {
                schema: target.schema.clone(),
                name: target.table.clone(),
                columns: target.columns.clone(),
                fingerprint: Fingerprint::default(),
            });
            relations.len() - 1
        })
    }

    /// Whole rows first, then what is left of the slice, so that a range can end between them.
    fn rows(&mut self, rows: &[u8]) -> Result<()> {
        let whole = memchr::memrchr(b'\n', rows).map_or(0, |at| at + 1);
        let (whole, rest) = rows.split_at(whole);
        if !whole.is_empty() {
            self.write_rows(whole)?;
            self.may_end_chunk()?;
        }
        if rest.is_empty() { Ok(()) } else { self.write_rows(rest) }
    }

    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let block = self.block.as_mut().expect("the lexer gives rows only in a COPY block");
        block.lines.push(rows)?;
        self.writer.write(rows)
    }

    fn may_end_chunk(&mut self) -> Result<()> {
        let object_is_full = self.object_is_nearly_full();
        if self.writer.range_sql_bytes() < self.cuts.chunk_bytes && !object_is_full {
            return Ok(());
        }
        self.end_rows_range(false)?;
        if object_is_full { self.roll_over() } else { Ok(()) }
    }

    fn copy_end(&mut self) -> Result<()> {
        self.end_rows_range(true)?;
        self.block = None;
        self.range_section = self.section;
        Ok(())
    }

    fn end_rows_range(&mut self, closes: bool) -> Result<()> {
        let block = self.block.as_mut().expect("the lexer ends only a COPY block it began");
        let fingerprint = block.lines.take()?;
        let rows = Rows { relation: block.relation, opens: block.opens, closes, fingerprint };
        block.opens = false;
        self.script.relations[rows.relation].fingerprint += fingerprint;
        if closes && fingerprint.rows == 0 {
            self.mark_closed();
        }
        self.end_range(Content::Rows(rows))
    }

    /// The block ended where a chunk did: that chunk closes it.
    fn mark_closed(&mut self) {
        if let Some(Range { content: Content::Rows(rows), .. }) = self.script.ranges.last_mut() {
            rows.closes = true;
        }
    }

    fn end_sql_range(&mut self) -> Result<()> {
        self.end_range(Content::Sql { section: self.range_section })?;
        self.range_section = self.section;
        if self.object_is_nearly_full() { self.roll_over() } else { Ok(()) }
    }

    fn end_range(&mut self, content: Content) -> Result<()> {
        let object = self.script.objects.len();
        let range = self.writer.end_range()?;
        self.script.ranges.extend(range.map(|bytes| Range { object, bytes, content }));
        Ok(())
    }

    /// A tenth of the limit is left for what one slice of rows or one statement may still add.
    fn object_is_nearly_full(&self) -> bool {
        self.writer.parts() >= self.cuts.parts_max - self.cuts.parts_max.div_ceil(10)
    }

    fn roll_over(&mut self) -> Result<()> {
        let next = layout::dump(self.script.objects.len() + 1);
        let writer = ObjectWriter::new(self.objects.open(&next), self.cuts.part_bytes);
        let full = std::mem::replace(&mut self.writer, writer);
        let name = std::mem::replace(&mut self.name, next);
        self.script.objects.push((name, full.finish()?));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
