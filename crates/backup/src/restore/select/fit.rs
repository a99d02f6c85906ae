//! Whether a database that is there can take the part: nothing of it exists yet, or its tables are there and empty.

use lifeboat_core::index::{Index, Relation};
use lifeboat_core::{Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};

use super::kind::is_nameable;
use super::name::shown;
use super::order;
use super::part::Part;
use crate::postgres::{DirectSession, Session, quote_literal, rows};
use crate::restore::copy_in::qualified;

/// A reason why not, and what to do.
pub(in crate::restore) type Refusal = (String, &'static str);

/// Every reason why the database at the other end of `session` cannot take the part.
pub(in crate::restore) async fn refusals(
    part: &Part,
    index: &Index,
    session: &mut DirectSession,
) -> Result<Vec<Refusal>> {
    if part.data_only { of_rows(part, index, session).await } else { of_definitions(part, session).await }
}

#[derive(Serialize)]
struct Wanted<'a> {
    position: usize,
    class: &'static str,
    schema: &'a str,
    name: &'a str,
    columns: &'a [String],
}

#[derive(Deserialize)]
struct Existing {
    position: usize,
}

async fn of_definitions(part: &Part, session: &mut DirectSession) -> Result<Vec<Refusal>> {
    let wanted = part.chosen.selected.iter().filter_map(|&position| {
        let entry = &part.toc.entries[position];
        let class = match entry.kind.as_str() {
            kind if is_nameable(kind) => "relation",
            "TYPE" | "DOMAIN" => "type",
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" => "function",
            _ => return None,
        };
        Some(Wanted { position, class, schema: entry.schema.as_deref()?, name: &entry.tag, columns: &[] })
    });
    let found: Vec<Existing> = rows(session, &query(EXISTING, wanted)?).await?;
    let names: Vec<_> = found.iter().map(|found| &part.toc.entries[found.position]).collect();
    let names: Vec<_> = names.iter().map(|entry| shown(entry.schema.as_deref(), &entry.tag)).collect();
    Ok(match names.is_empty() {
        true => Vec::new(),
        false => vec![(format!("these exist already: {}", names.join(", ")), DROP_OR_RENAME)],
    })
}

fn query<'a>(query: &str, wanted: impl Iterator<Item = Wanted<'a>>) -> Result<String> {
    let wanted: Vec<_> = wanted.collect();
    let json = serde_json::to_string(&wanted).kind_of(Kind::Failure, || "write what is looked for".into())?;
    Ok(query.replace("%WANTED%", &quote_literal(&json)))
}

#[derive(Deserialize)]
struct Table {
    position: usize,
    is_there: bool,
    missing: Vec<String>,
}

async fn of_rows(part: &Part, index: &Index, session: &mut DirectSession) -> Result<Vec<Refusal>> {
    let wanted = part.relations.iter().map(|&position| {
        let relation = &index.relations[position];
        let (schema, name, columns) = (&relation.schema, &relation.name, &relation.columns);
        Wanted { position, class: "relation", schema, name, columns }
    });
    let tables: Vec<Table> = rows(session, &query(TABLES, wanted)?).await?;
    let mut refusals = Vec::new();
    for table in tables {
        let relation = &index.relations[table.position];
        let name = shown(Some(&relation.schema), &relation.name);
        if !table.is_there {
            refusals.push((format!("there is no table {name}"), MAKE_IT));
        } else if !table.missing.is_empty() {
            refusals.push((format!("{name} has no column {} to write", table.missing.join(", ")), MAKE_IT));
        } else if !is_empty(relation, session).await? {
            refusals.push((format!("{name} is not empty"), EMPTY_IT));
        }
    }
    if refusals.is_empty()
        && let Err(circle) = order::of(part, index, session).await?
    {
        let hint = "make one of them DEFERRABLE, or drop it and add it again afterwards";
        refusals.push((format!("rows refer to each other in a circle, by foreign keys of {circle}"), hint));
    }
    Ok(refusals)
}

/// Whether none of the rows that the backup may have of the table is there.
pub(super) async fn is_empty(relation: &Relation, session: &mut DirectSession) -> Result<bool> {
    let only = if relation.kind.as_deref() == Some("p") { "" } else { "ONLY " };
    let condition = relation.condition.as_deref().unwrap_or_default();
    let query = format!("SELECT EXISTS (SELECT FROM {only}{} {condition})", qualified(relation));
    Ok(session.text(&query).await?.as_deref() == Some("f"))
}

const DROP_OR_RENAME: &str = "drop or rename them first, load rows alone with --data-only, or restore beside them: into \
                              another database with --create";
const MAKE_IT: &str = "make the tables as they were, or leave --data-only out";
const EMPTY_IT: &str = "empty the tables first; rows are never mixed with others";

/// pg_dump names a function with the types of its arguments; an aggregate without any has a star for them.
const EXISTING: &str = "
SELECT w.position
FROM json_to_recordset(%WANTED%) AS w (position int, class text, schema text, name text)
JOIN pg_namespace n ON n.nspname = w.schema
WHERE CASE w.class
      WHEN 'relation' THEN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = w.name)
      WHEN 'type' THEN EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = n.oid AND t.typname = w.name)
      ELSE EXISTS (
          SELECT FROM pg_proc p
          LEFT JOIN LATERAL (SELECT string_agg(format_type(t, NULL), ', ' ORDER BY i) AS types
                             FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, i)) AS arguments ON true
          WHERE p.pronamespace = n.oid
            AND replace(w.name, '\"', '') IN (replace(p.proname || '(' || coalesce(types, '') || ')', '\"', ''),
                                            p.proname || '(' || coalesce(types, '*') || ')'))
      END
ORDER BY w.position";

const TABLES: &str = "
SELECT w.position, c.oid IS NOT NULL AS is_there,
       coalesce((SELECT json_agg(wanted) FROM json_array_elements_text(w.columns) AS e (wanted)
                 WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = wanted
                                   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')), '[]') AS missing
FROM json_to_recordset(%WANTED%) AS w (position int, schema text, name text, columns json)
LEFT JOIN pg_namespace n ON n.nspname = w.schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
ORDER BY w.position";
