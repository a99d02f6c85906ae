//! `sequences`: none was set back, and none gives out a number that a row has.

use std::collections::HashMap;

use lifeboat_backup::postgres::{DirectSession, quote_ident, quote_literal, rows};
use lifeboat_core::index::Sequence;
use lifeboat_core::{Job, Result};
use serde::Deserialize;

use super::said::{Check, Said, many};
use super::session::open_reading;
use super::{CheckReport, Subject};

/// Compares every sequence with its archived value. One whose next number its column has already is told, and no failure: it
/// came so from the source.
pub(super) async fn check(subject: &Subject<'_>, job: &Job) -> Result<CheckReport> {
    let check = Check::new("sequences", "no sequence is behind the value it had at the source");
    let archived = &subject.archive.index.sequences;
    let work = async {
        let mut session = open_reading(subject.target, job).await?;
        let found = read(&mut session, archived).await?;
        let largest = largest(&mut session, &found).await?;
        session.close().await;
        Ok(judge(archived, &found, &largest))
    };
    check.run(job.run(work)).await
}

/// A sequence of the restored database.
#[derive(Clone, Debug, Deserialize)]
struct Found {
    schema: String,
    sequence: String,
    /// For messages.
    name: String,
    step: i64,
    /// The column that it belongs to, where an index finds the column's largest value.
    table_schema: Option<String>,
    table_name: Option<String>,
    column: Option<String>,
    #[serde(default)]
    value: i64,
    #[serde(default)]
    called: bool,
}

#[derive(Deserialize)]
struct Value {
    position: usize,
    value: Option<i64>,
    #[serde(default)]
    called: bool,
}

async fn read(session: &mut DirectSession, archived: &[Sequence]) -> Result<Vec<Found>> {
    let list = |of: fn(&Sequence) -> &str| {
        archived.iter().map(|sequence| quote_literal(of(sequence))).collect::<Vec<_>>().join(", ")
    };
    let query = SEQUENCES.replace("%SCHEMAS%", &list(|s| &s.schema)).replace("%NAMES%", &list(|s| &s.name));
    let mut found: Vec<Found> = rows(session, &query).await?;
    let query = |(position, it): (usize, &Found)| {
        format!(
            "SELECT {position} AS position, last_value AS value, is_called AS called FROM {}.{}",
            quote_ident(&it.schema),
            quote_ident(&it.sequence)
        )
    };
    let queries: Vec<_> = found.iter().enumerate().map(query).collect();
    for value in values(session, &queries).await? {
        (found[value.position].value, found[value.position].called) = (value.value.unwrap_or_default(), value.called);
    }
    Ok(found)
}

/// The largest value of the column of each sequence, or the smallest where it counts down; by position among `found`.
async fn largest(session: &mut DirectSession, found: &[Found]) -> Result<HashMap<usize, i64>> {
    let query = |(position, it): (usize, &Found)| {
        let (schema, table, column) = (it.table_schema.as_ref()?, it.table_name.as_ref()?, it.column.as_ref()?);
        let last = if it.step < 0 { "min" } else { "max" };
        let (schema, table, column) = (quote_ident(schema), quote_ident(table), quote_ident(column));
        Some(format!(
            "SELECT {position} AS position, pg_catalog.{last}({column})::pg_catalog.int8 AS value FROM {schema}.{table}"
        ))
    };
    let queries: Vec<_> = found.iter().enumerate().filter_map(query).collect();
    let largest = values(session, &queries).await?;
    Ok(largest.into_iter().filter_map(|value| Some((value.position, value.value?))).collect())
}

async fn values(session: &mut DirectSession, queries: &[String]) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(queries.len());
    for batch in queries.chunks(PER_QUERY) {
        let read: Vec<Value> = rows(session, &batch.join(" UNION ALL ")).await?;
        values.extend(read);
    }
    Ok(values)
}

fn judge(archived: &[Sequence], found: &[Found], largest: &HashMap<usize, i64>) -> Said {
    let by_name: HashMap<_, _> =
        found.iter().enumerate().map(|(at, it)| ((it.schema.as_str(), it.sequence.as_str()), (at, it))).collect();
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    for sequence in archived {
        let Some((position, here)) = by_name.get(&(sequence.schema.as_str(), sequence.name.as_str())) else {
            wrong.push(format!("{}.{} is missing", sequence.schema, sequence.name));
            continue;
        };
        match here.compare(sequence) {
            std::cmp::Ordering::Less => wrong.push(here.is_behind(sequence)),
            std::cmp::Ordering::Greater => {
                told.push(format!("{} is at {}; the backup has it at {}", here.name, here.value, sequence.value));
            }
            std::cmp::Ordering::Equal => {}
        }
        told.extend(largest.get(position).and_then(|largest| here.collides(*largest)));
    }
    if let Some(first) = wrong.first() {
        let more = if wrong.len() > 1 { format!("; and {} more", wrong.len() - 1) } else { String::new() };
        return Said::failed(format!("{first}{more}")).with(wrong).with(told);
    }
    Said::passed(format!("{}, none behind its archived value", many(archived.len() as u64, "sequence"))).with(told)
}

impl Found {
    /// Where it stands against its archived value, in the direction in which it counts.
    fn compare(&self, archived: &Sequence) -> std::cmp::Ordering {
        let values = self.value.cmp(&archived.value);
        let values = if self.step < 0 { values.reverse() } else { values };
        values.then(self.called.cmp(&archived.called))
    }

    fn is_behind(&self, archived: &Sequence) -> String {
        let state = |value: i64, called| if called { value.to_string() } else { format!("{value}, not given out yet") };
        let (is, was) = (state(self.value, self.called), state(archived.value, archived.called));
        format!("{} was set back: it is at {is}, and the backup has it at {was}", self.name)
    }

    /// Whether the next number is one that its column has, or one before it.
    fn collides(&self, last: i64) -> Option<String> {
        let next = if self.called { self.value.checked_add(self.step)? } else { self.value };
        let collides = if self.step < 0 { next >= last } else { next <= last };
        let (table, column) = (self.table_name.as_deref()?, self.column.as_deref()?);
        collides
            .then(|| format!("warning: {} gives out {next} next, and {table}.{column} has {last} already", self.name))
    }
}

const PER_QUERY: usize = 200;
/// Only a column that an index leads with: the largest value of another costs a look at all its rows.
const SEQUENCES: &str = "
SELECT n.nspname AS schema, c.relname AS sequence, n.nspname || '.' || c.relname AS name, s.seqincrement AS step,
       tn.nspname AS table_schema, t.relname AS table_name, a.attname AS column
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d
       ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a
       ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
      AND EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                  WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
                    AND m.amname = 'btree')
LEFT JOIN pg_class t ON t.oid = a.attrelid
LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest(ARRAY[%SCHEMAS%]::text[], ARRAY[%NAMES%]::text[]))";

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lifeboat_core::index::Sequence;

    use super::super::Verdict;
    use super::{Found, judge};

    fn found(step: i64, value: i64, called: bool) -> Found {
        Found {
            schema: "public".into(),
            sequence: "s".into(),
            name: "public.s".into(),
            step,
            table_schema: Some("public".into()),
            table_name: Some("t".into()),
            column: Some("id".into()),
            value,
            called,
        }
    }

    fn archived(value: i64, called: bool) -> [Sequence; 1] {
        [Sequence { schema: "public".into(), name: "s".into(), value, called }]
    }

    #[test]
    fn a_sequence_that_was_set_back_fails_in_the_direction_it_counts() {
        let outcome =
            |step, value, called| judge(&archived(10, true), &[found(step, value, called)], &HashMap::new()).outcome;
        assert_eq!(outcome(1, 10, true), Verdict::Passed);
        assert_eq!(outcome(1, 9, true), Verdict::Failed);
        assert_eq!(outcome(1, 10, false), Verdict::Failed);
        assert_eq!(outcome(1, 11, true), Verdict::Passed);
        assert_eq!(outcome(-1, 9, true), Verdict::Passed);
        assert_eq!(outcome(-1, 11, true), Verdict::Failed);
        assert_eq!(judge(&archived(10, true), &[], &HashMap::new()).summary, "public.s is missing");
    }

    #[test]
    fn a_number_that_a_row_has_already_is_told_and_no_failure() {
        let told = |step, value, called, last| {
            let said = judge(&archived(value, called), &[found(step, value, called)], &HashMap::from([(0, last)]));
            assert_eq!(said.outcome, Verdict::Passed);
            !said.findings.is_empty()
        };
        assert!(!told(1, 10, true, 10));
        assert!(told(1, 10, true, 11));
        assert!(told(1, 10, false, 10));
        assert!(!told(1, 10, false, 9));
        assert!(told(-1, -10, true, -11));
    }
}
