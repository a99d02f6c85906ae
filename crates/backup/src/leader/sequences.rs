//! Values of sequences. They have no snapshot: read after the rows, they are never behind a row that used them.

use lifeboat_core::index::Sequence;
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::SourceRelation;
use crate::postgres::sqlstate::{INSUFFICIENT_PRIVILEGE, UNDEFINED_SCHEMA, UNDEFINED_TABLE};
use crate::postgres::{Session, quote_ident, quote_literal, rows, sqlstate_of};

/// A sequence and its value.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct SequenceValue {
    schema: String,
    name: String,
    value: i64,
    called: bool,
}

impl SequenceValue {
    /// As the index tells it.
    pub(crate) fn indexed(&self) -> Sequence {
        Sequence { schema: self.schema.clone(), name: self.name.clone(), value: self.value, called: self.called }
    }

    /// The statement that sets it.
    pub(crate) fn statement(&self) -> String {
        // The script has `standard_conforming_strings` on, as pg_dump has: a backslash stands for itself.
        let name = format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name)).replace('\'', "''");
        format!("SELECT pg_catalog.setval('{name}', {}, {});\n", self.value, self.called)
    }
}

/// Reads the sequences among `relations` that a dump sets.
pub(super) async fn read(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<Vec<SequenceValue>> {
    let sequences: Vec<_> = relations.iter().filter(|relation| relation.has_dumped_value()).collect();
    let mut values = Vec::with_capacity(sequences.len());
    for batch in sequences.chunks(SEQUENCES_PER_QUERY) {
        let each: Vec<_> = batch.iter().map(|sequence| value_query(sequence)).collect();
        let read: Vec<SequenceValue> = rows(session, &each.join(" UNION ALL ")).await.map_err(explain)?;
        values.extend(read);
    }
    Ok(values)
}

fn value_query(sequence: &SourceRelation) -> String {
    let (schema, name) = (&sequence.schema, &sequence.name);
    format!(
        "SELECT {} AS schema, {} AS name, last_value AS value, is_called AS called FROM {}.{}",
        quote_literal(schema),
        quote_literal(name),
        quote_ident(schema),
        quote_ident(name)
    )
}

/// No lock holds a sequence for us.
fn explain(error: Error) -> Error {
    let doing = "read the values of sequences";
    match sqlstate_of(&error).map(ToOwned::to_owned).as_deref() {
        Some(UNDEFINED_TABLE | UNDEFINED_SCHEMA) => {
            Error::new(Kind::TryAgain, format!("{doing}: one was dropped since the snapshot"))
                .hint("run again, apart from jobs that drop sequences")
                .caused_by(error)
        }
        Some(INSUFFICIENT_PRIVILEGE) => Error::new(Kind::Database, doing)
            .hint("grant the role pg_read_all_data, or SELECT on every sequence")
            .caused_by(error),
        _ => error.while_doing(doing),
    }
}

const SEQUENCES_PER_QUERY: usize = 300;

#[cfg(test)]
mod tests {
    use super::SequenceValue;
    use crate::script::setval;

    #[test]
    fn the_statement_says_what_the_lexer_reads_back() {
        let value = SequenceValue { schema: "a\\b".into(), name: "Odd\"'name".into(), value: i64::MAX, called: true };
        let statement = value.statement();
        let set = setval(statement.as_bytes()).unwrap();
        assert_eq!(set.schema.unwrap().as_str(), Some("a\\b"), "{statement}");
        assert_eq!(set.sequence.as_str(), Some("Odd\"'name"));
        assert_eq!((set.value, set.is_called), (i64::MAX, true));
    }
}
