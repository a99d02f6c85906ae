//! What there is to do at once, and what it costs: rows, the values among them, and what is built on each table's rows.

use std::collections::HashMap;

use lifeboat_core::index::{Index, Range, Relation};

use super::schedule::{Gate, Hold, Job, Table};
use super::standing::Standing;
use crate::archive::span::{Span, spans};
use crate::script::{Built, OnRows, TableName};

/// What a session does while rows are loaded.
#[derive(Clone, Debug)]
pub(super) enum Work<'a> {
    /// Loads these rows in one transaction.
    Rows(Span<'a>),
    /// Runs what stands among the rows.
    Values,
    /// Runs the statement at this place.
    Build(usize),
    /// Analyzes the table of this number.
    Analyze(Table),
}

/// The tables that statements name, by number: those of the index have their position there.
pub(super) struct Tables<'a> {
    index: &'a Index,
    numbers: HashMap<TableName, Table>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(index: &'a Index) -> Self {
        let numbers = index.relations.iter().enumerate().map(|(position, relation)| (name_of(relation), position));
        Self { index, numbers: numbers.collect() }
    }

    /// The work of the first phase: these rows, what stands among them, and what is built on them; and the places of the
    /// statements that wait for its end. Of the tables to be `analyzed`, large ones are in it, each as soon as everything is
    /// built on it.
    pub(super) fn first_phase(
        &mut self,
        rows: &[&'a Range],
        values_bytes: u64,
        standing: &[Standing],
        analyzed: impl IntoIterator<Item = Table>,
    ) -> (Vec<Job<Work<'a>>>, Vec<usize>) {
        let mut jobs: Vec<_> = batches(rows).into_iter().map(|span| self.rows_job(span)).collect();
        let cost = values_bytes;
        if cost > 0 {
            jobs.push(Job {
                what: Work::Values,
                cost,
                weight: cost,
                needs: Vec::new(),
                opens: Vec::new(),
                holds: Vec::new(),
            });
        }
        let large = analyzed.into_iter().filter(|table| self.bytes(*table) > SHORT_SQL_BYTES);
        jobs.extend(large.map(|table| self.analyze_job(table)));
        let mut rest = Vec::new();
        for (place, statement) in standing.iter().enumerate() {
            match statement.on_rows.as_ref().and_then(|on_rows| self.build_job(place, on_rows)) {
                Some(job) => jobs.push(job),
                None => rest.push(place),
            }
        }
        (jobs, rest)
    }

    /// Foreign keys: each locks the tables on both its sides.
    pub(super) fn foreign_key_job(&mut self, place: usize, key: &OnRows) -> Job<usize> {
        let mut tables = vec![self.number(&key.table)];
        let mut cost = JOB_COST + self.bytes(tables[0]);
        if let Built::ForeignKey(other) = &key.what {
            tables.push(self.number(other));
            cost += self.bytes(tables[1]);
        }
        tables.dedup();
        let holds = tables.into_iter().map(|table| (table, Hold::Alone)).collect();
        Job { what: place, cost, weight: cost, needs: Vec::new(), opens: Vec::new(), holds }
    }

    fn number(&mut self, name: &TableName) -> Table {
        let next = self.numbers.len().max(self.index.relations.len());
        *self.numbers.entry(name.clone()).or_insert(next)
    }

    fn bytes(&self, table: Table) -> u64 {
        self.index.relations.get(table).map_or(0, |relation| relation.fingerprint.bytes)
    }

    fn rows_job(&self, span: Span<'a>) -> Job<Work<'a>> {
        let cost = span.ranges.iter().map(|range| JOB_COST + range.bytes.sql_bytes).sum();
        let tables: Vec<_> = span.ranges.iter().filter_map(|range| range.relation()).collect();
        // All parts of a table weigh what the table does: they are loaded one after another, by all sessions.
        let weight = tables.iter().map(|table| self.bytes(*table)).max().unwrap_or_default().max(cost);
        let mut opens: Vec<Gate> = tables;
        opens.push(self.all_rows());
        opens.dedup();
        Job { what: Work::Rows(span), cost, weight, needs: Vec::new(), opens, holds: Vec::new() }
    }

    /// `None` for what has its place in the script: what is for a table without rows of its own.
    fn build_job(&self, place: usize, on_rows: &OnRows) -> Option<Job<Work<'a>>> {
        let table = *self.numbers.get(&on_rows.table).filter(|table| self.is_plain(**table))?;
        let hold = match &on_rows.what {
            Built::Index => Hold::Shared,
            Built::Constraint => Hold::Alone,
            Built::ForeignKey(other) => return self.early_key_job(place, table, other),
        };
        // A function may read other tables than its own.
        let needs = if on_rows.calls { self.all_rows() } else { table };
        let cost = JOB_COST + build_cost(on_rows.method.as_bytes(), self.bytes(table));
        let (needs, holds) = (vec![needs], vec![(table, hold)]);
        Some(Job { what: Work::Build(place), cost, weight: cost, needs, opens: vec![self.built(table)], holds })
    }

    /// A foreign key is added as soon as everything is built on the tables on both its sides.
    fn early_key_job(&self, place: usize, table: Table, other: &TableName) -> Option<Job<Work<'a>>> {
        let other = *self.numbers.get(other).filter(|other| self.is_plain(**other))?;
        let mut tables = vec![table, other];
        tables.dedup();
        let cost = JOB_COST + tables.iter().map(|table| self.bytes(*table) / 4).sum::<u64>();
        let needs = tables.iter().flat_map(|table| [*table, self.built(*table)]).collect();
        let holds = tables.into_iter().map(|table| (table, Hold::Alone)).collect();
        Some(Job { what: Work::Build(place), cost, weight: cost, needs, opens: Vec::new(), holds })
    }

    fn analyze_job(&self, table: Table) -> Job<Work<'a>> {
        let (needs, holds) = (vec![table, self.built(table)], vec![(table, Hold::Alone)]);
        Job { what: Work::Analyze(table), cost: ANALYZE_COST, weight: ANALYZE_COST, needs, opens: Vec::new(), holds }
    }

    /// Whether it is a table of the index with rows of its own.
    fn is_plain(&self, table: Table) -> bool {
        self.index.relations.get(table).is_some_and(|relation| relation.kind.as_deref() != Some("p"))
    }

    fn all_rows(&self) -> Gate {
        self.index.relations.len()
    }

    /// Open when all indexes and constraints of the table are there.
    fn built(&self, table: Table) -> Gate {
        self.all_rows() + 1 + table
    }
}

/// Rows that are loaded together: one long range, or several short ones that one GET fetches.
fn batches<'a>(rows: &[&'a Range]) -> Vec<Span<'a>> {
    let mut sql_bytes = 0;
    spans(rows.iter().copied(), |span, next| {
        if span.ranges.len() == 1 {
            sql_bytes = span.ranges[0].bytes.sql_bytes;
        }
        sql_bytes += next.bytes.sql_bytes;
        span.ranges.len() < BATCH_TABLES
            && sql_bytes <= BATCH_SQL_BYTES
            && is_short(next)
            && span.ranges.iter().all(|range| is_short(range))
    })
}

fn is_short(range: &Range) -> bool {
    range.bytes.sql_bytes <= SHORT_SQL_BYTES
}

/// What building an index costs, beside loading so many bytes of rows. What matters is which one comes first.
fn build_cost(method: &[u8], bytes: u64) -> u64 {
    match method {
        b"brin" => bytes / 16,
        b"btree" | b"hash" => bytes / 4,
        b"gist" | b"spgist" => bytes,
        // GIN, and what extensions bring, such as indexes on vectors.
        _ => bytes.saturating_mul(2),
    }
}

fn name_of(relation: &Relation) -> TableName {
    use crate::script::SqlName;
    let schema = Some(SqlName::new(relation.schema.as_str())).filter(|schema| !schema.as_bytes().is_empty());
    TableName { schema, name: SqlName::new(relation.name.as_str()) }
}

/// What a job costs beside its bytes, in bytes of rows.
const JOB_COST: u64 = 64 << 10;
/// A sample of the rows is read, however many there are.
const ANALYZE_COST: u64 = 4 << 20;
/// Short ranges are loaded several to a transaction, up to so many and so long.
const BATCH_TABLES: usize = 100;
const BATCH_SQL_BYTES: u64 = 16 << 20;
const SHORT_SQL_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
