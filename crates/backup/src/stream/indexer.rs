//! Turns the script that `pg_dump` prints into objects, and notes where everything lies.
//!
//! Invariant: the objects' bytes, decompressed and concatenated, are the preamble and the script, unchanged; the ranges
//! cover them without a gap; and every row was fingerprinted as it passed.

use std::collections::HashMap;

use lifeboat_core::codec::{Fingerprint, RowLines};
use lifeboat_core::index::{Content, Rows, Section};
use lifeboat_core::store::layout::Piece;
use lifeboat_core::{Error, Kind, Result};

use super::cuts::Cuts;
use super::outline::{CopiedRelation, Outline, SetSequence};
use super::output::Output;
use super::vet::Vet;
use crate::script::{CopyTarget, Lexer, Setval, StatementKind, Token, Trailer, comment_header, setval};

/// Indexes a script that is pushed in slices.
pub(super) struct Indexer<O> {
    lexer: Lexer,
    state: State<O>,
}

struct State<O> {
    output: O,
    cuts: Cuts,
    objects: usize,
    object_bytes: u64,
    range_bytes: u64,
    rows: u64,
    outline: Outline,
    positions: HashMap<CopyKey, usize>,
    statement: Vec<u8>,
    section: Section,
    range_section: Section,
    /// Whether the range holds a statement other than COPY.
    range_has_statements: bool,
    block: Option<Block>,
    /// Looks at a script that somebody else made.
    vet: Option<Vet>,
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

impl<O: Output> Indexer<O> {
    /// Begins the script, in the object that `output` has begun.
    pub(super) fn new(output: O, cuts: Cuts) -> Result<Self> {
        let mut indexer = Self::bare(output, cuts, None);
        if begins_script(cuts.piece) {
            indexer.state.write(PREAMBLE)?;
        }
        indexer.state.end_sql_range()?;
        Ok(indexer)
    }

    /// Begins a script that was made elsewhere: every statement is looked at, and no byte is added, for under which settings its
    /// values were printed nobody knows.
    pub(super) fn foreign(output: O, cuts: Cuts) -> Self {
        Self::bare(output, cuts, Some(Vet::default()))
    }

    fn bare(output: O, cuts: Cuts, vet: Option<Vet>) -> Self {
        let section = first_section(cuts.piece);
        let state = State {
            output,
            cuts,
            objects: 1,
            object_bytes: 0,
            range_bytes: 0,
            rows: 0,
            outline: Outline::default(),
            positions: HashMap::new(),
            statement: Vec::new(),
            section,
            range_section: section,
            range_has_statements: true,
            block: None,
            vet,
        };
        Self { lexer: Lexer::new(), state }
    }

    /// Takes the next slice of the script.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<()> {
        let state = &mut self.state;
        let pushed = self.lexer.push(input, &mut |token| state.token(token));
        pushed.map_err(|error| self.state.located(error))
    }

    /// Rows taken so far.
    pub(super) fn rows(&self) -> u64 {
        self.state.rows
    }

    /// Ends the script and its last range; ending the last object is up to the caller, who knows how `pg_dump` ended.
    pub(super) fn end(self) -> Result<(Outline, O)> {
        let mut state = self.state;
        let trailer = self.lexer.finish().map_err(|error| state.located(error))?;
        match state.vet.take() {
            Some(vet) => state.outline.vetted = Some(vet.end(trailer)?),
            None if trailer != Trailer::Database => {
                return Err(Error::new(Kind::Integrity, "find pg_dump's last line: its output is incomplete"));
            }
            None => {}
        }
        state.flush_statement()?;
        // No object is begun after the last range: it would be empty.
        state.end_sql_range_here()?;
        Ok((state.outline, state.output))
    }
}

impl<O: Output> State<O> {
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

    /// Says where in a script of somebody else's it happened.
    fn located(&self, error: Error) -> Error {
        match &self.vet {
            Some(vet) if error.kind() == Kind::Integrity => error.while_doing(vet.place()),
            _ => error,
        }
    }

    fn statement_end(&mut self, kind: StatementKind) -> Result<()> {
        if let Some(vet) = &mut self.vet {
            vet.statement(kind, &self.statement)?;
        }
        if kind == StatementKind::Sql {
            self.note_section()?;
            self.note_value();
        }
        self.range_has_statements |= matches!(kind, StatementKind::Sql | StatementKind::MetaCommand);
        self.flush_statement()?;
        if self.range_bytes >= self.cuts.sql_range_bytes {
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
            self.outline.sequences.push(SetSequence { schema, name, value, called });
        } else if body.starts_with(b"SELECT pg_catalog.lo_open(") {
            self.outline.large_objects += 1;
        }
    }

    fn flush_statement(&mut self) -> Result<()> {
        if !self.statement.is_empty() {
            let mut statement = std::mem::take(&mut self.statement);
            self.write(&statement)?;
            statement.clear();
            self.statement = statement;
        }
        Ok(())
    }

    fn copy_begin(&mut self, target: &CopyTarget) -> Result<()> {
        if let Some(vet) = &mut self.vet {
            vet.copy(target, &self.statement)?;
        }
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
        let relations = &mut self.outline.relations;
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
        let before = block.lines.rows();
        block.lines.push(rows)?;
        let ended = block.lines.rows() - before;
        self.rows += ended;
        if let Some(vet) = &mut self.vet {
            vet.rows(ended);
        }
        self.write(rows)
    }

    fn may_end_chunk(&mut self) -> Result<()> {
        let object_is_full = self.object_is_nearly_full();
        if self.range_bytes < self.cuts.chunk_bytes && !object_is_full {
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
        self.outline.relations[rows.relation].fingerprint += fingerprint;
        if closes && fingerprint.rows == 0 {
            self.mark_closed();
        }
        self.end_range(Content::Rows(rows))
    }

    /// The block ended where a chunk did: that chunk closes it.
    fn mark_closed(&mut self) {
        if let Some(Content::Rows(rows)) = self.outline.contents.last_mut() {
            rows.closes = true;
        }
    }

    fn end_sql_range(&mut self) -> Result<()> {
        self.end_sql_range_here()?;
        if self.object_is_nearly_full() { self.roll_over() } else { Ok(()) }
    }

    fn end_sql_range_here(&mut self) -> Result<()> {
        let only_copy = !std::mem::take(&mut self.range_has_statements);
        self.end_range(Content::Sql { section: self.range_section, only_copy })?;
        self.range_section = self.section;
        Ok(())
    }

    fn write(&mut self, sql: &[u8]) -> Result<()> {
        self.range_bytes += sql.len() as u64;
        self.output.write(sql)
    }

    fn end_range(&mut self, content: Content) -> Result<()> {
        if self.range_bytes == 0 {
            return Ok(());
        }
        self.object_bytes += std::mem::take(&mut self.range_bytes);
        self.outline.contents.push(content);
        self.output.end_range()
    }

    /// Counts SQL bytes: how far the compressor is behind must not decide where an object ends, and compression never makes more
    /// than a little of them. A tenth of the limit is left for that, and for what one slice or one statement may still add.
    fn object_is_nearly_full(&self) -> bool {
        let parts = self.cuts.parts_max - self.cuts.parts_max.div_ceil(10);
        self.object_bytes + self.range_bytes >= parts * self.cuts.part_bytes as u64
    }

    fn roll_over(&mut self) -> Result<()> {
        let next = self.cuts.piece.object(self.objects, self.cuts.compression);
        self.objects += 1;
        self.object_bytes = 0;
        self.output.next_object(next)
    }
}

fn begins_script(piece: Piece) -> bool {
    matches!(piece, Piece::Dump | Piece::PreData)
}

fn first_section(piece: Piece) -> Section {
    match piece {
        Piece::Dump | Piece::PreData => Section::PreData,
        Piece::Data | Piece::LargeObjects | Piece::Sequences => Section::Data,
        Piece::PostData => Section::PostData,
    }
}

#[cfg(test)]
mod tests;
