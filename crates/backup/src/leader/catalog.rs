//! Reads the catalog: what the database's objects are, under the dump's snapshot.
//!
//! Invariant: a definition that a stock dump carries reads the same from the restored database, so that every difference a
//! drill finds is one. Hence the queries leave out what `pg_dump` does, name objects by what a restore keeps (never by
//! oid), and run under pinned settings.

mod stable;

use std::collections::BTreeMap;

use lifeboat_core::catalog::Catalog;
use lifeboat_core::{Error, FORMAT, Kind, Result};
use serde::Deserialize;

use crate::postgres::{Session, rows, sqlstate_of};

/// The definitions of the database's objects, as far as `pg_dump` prints them. Runs inside the session's transaction, which
/// there must be, and leaves its settings as they were.
///
/// A class that the server fails to print (a definition may be odd enough for that) is not in the catalog at all; one
/// without objects is there and empty. [`unread_classes`] tells.
///
/// # Errors
/// As the session's, when it is lost or cancelled.
pub async fn read_catalog(session: &mut dyn Session) -> Result<Catalog> {
    session.execute(BEGIN).await?;
    let version = server_version(session).await?;
    let mut catalog = Catalog { format: FORMAT, ..Catalog::default() };
    for class in classes_of(version) {
        if let Some(objects) = read_class(session, class).await? {
            catalog.classes.insert(class.name.to_owned(), objects);
        }
    }
    session.execute(END).await?;
    Ok(catalog)
}

/// The classes that a catalog should have and has not.
#[must_use]
pub fn unread_classes(catalog: &Catalog) -> Vec<&'static str> {
    let mut names: Vec<_> = CLASSES.iter().map(|class| class.name).collect();
    names.dedup();
    names.retain(|name| !catalog.classes.contains_key(*name));
    names
}

/// A class of objects and the query that reads it; the query may refer to what `prelude.sql` names.
struct Class {
    name: &'static str,
    query: &'static str,
    /// The first version of the server that the query is for, and the first that it is no longer for.
    versions: (u32, u32),
    /// Whether definitions are expressions that the server prints from what it has parsed.
    deparsed: bool,
}

#[derive(Deserialize)]
struct Object {
    identity: String,
    definition: String,
}

fn classes_of(version: u32) -> impl Iterator<Item = &'static Class> {
    CLASSES.iter().filter(move |class| (class.versions.0..class.versions.1).contains(&version))
}

async fn server_version(session: &mut dyn Session) -> Result<u32> {
    let version = session.text("SELECT pg_catalog.current_setting('server_version_num')").await?;
    Ok(version.and_then(|version| version.parse().ok()).unwrap_or_default())
}

/// `None` when the server refused; the transaction goes on.
async fn read_class(session: &mut dyn Session, class: &Class) -> Result<Option<BTreeMap<String, String>>> {
    session.execute("SAVEPOINT lifeboat_class").await?;
    let query = format!("{PRELUDE}\n{}\nORDER BY 1, 2", class.query);
    match rows(session, &query).await {
        Ok(objects) => {
            session.execute("RELEASE SAVEPOINT lifeboat_class").await?;
            Ok(Some(collect(objects, class.deparsed)))
        }
        Err(error) if is_refusal(&error) => {
            session.execute("ROLLBACK TO SAVEPOINT lifeboat_class; RELEASE SAVEPOINT lifeboat_class").await?;
            tracing::warn!(class = class.name, error = error.chain(), "a class of the catalog cannot be read");
            Ok(None)
        }
        // The server prints NULL for what was dropped since the snapshot.
        Err(error) if error.kind() == Kind::Failure => Err(Error::new(
            Kind::TryAgain,
            format!("read the {} of the catalog: something was dropped meanwhile", class.name),
        )
        .hint("run again, apart from jobs that change definitions")
        .caused_by(error)),
        Err(error) => Err(error),
    }
}

/// Whether the server answered, and with something else than the session's end or a cancellation.
fn is_refusal(error: &Error) -> bool {
    sqlstate_of(error).is_some_and(|state| !state.starts_with("57"))
}

/// Two objects under one identity, which a query should not give, still both count.
fn collect(objects: Vec<Object>, deparsed: bool) -> BTreeMap<String, String> {
    let mut collected: BTreeMap<String, String> = BTreeMap::new();
    for Object { identity, definition } in objects {
        let definition = if deparsed { stable::stable(&definition) } else { definition };
        let twice = |first: &mut String| *first = format!("{first}\n{definition}");
        collected.entry(identity).and_modify(twice).or_insert(definition);
    }
    collected
}

/// What definitions are printed under. Compiling these large queries would take longer than running them.
const BEGIN: &str = "SAVEPOINT lifeboat_catalog; \
    SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off; SET LOCAL standard_conforming_strings = on; \
    SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 3; SET LOCAL lc_monetary = 'C'; SET LOCAL jit = off";
/// Undoes the settings as well.
const END: &str = "ROLLBACK TO SAVEPOINT lifeboat_catalog; RELEASE SAVEPOINT lifeboat_catalog";
const PRELUDE: &str = include_str!("catalog/prelude.sql");

const ALL: (u32, u32) = (0, u32::MAX);

macro_rules! class {
    ($name:literal, $deparsed:literal) => {
        class!($name, $deparsed, $name, ALL)
    };
    ($name:literal, $deparsed:literal, $file:literal, $versions:expr) => {
        Class {
            name: $name,
            query: include_str!(concat!("catalog/", $file, ".sql")),
            versions: $versions,
            deparsed: $deparsed,
        }
    };
}

const CLASSES: &[Class] = &[
    class!("access_methods", false),
    class!("aggregates", false),
    class!("casts", false),
    class!("collations", false),
    class!("column_order", false),
    class!("columns", true),
    class!("comments", false),
    class!("constraints", true),
    class!("conversions", false),
    class!("default_privileges", false),
    class!("domains", true),
    class!("event_triggers", false),
    class!("extensions", false),
    class!("foreign_data_wrappers", false),
    class!("foreign_servers", false),
    class!("functions", true),
    class!("indexes", true),
    class!("inheritance", false),
    class!("languages", false),
    class!("large_objects", false),
    class!("materialized_views", true),
    class!("operator_classes", false),
    class!("operator_families", false),
    class!("operators", false),
    class!("owners", false),
    class!("policies", true),
    class!("privileges", false),
    class!("publication_tables", true, "publication_tables_before_15", (0, 150_000)),
    class!("publication_tables", true, "publication_tables", (150_000, u32::MAX)),
    class!("publications", false),
    class!("relations", true),
    class!("rules", true),
    class!("schemas", false),
    class!("security_labels", false),
    class!("sequences", false),
    class!("statistics", true),
    class!("subscriptions", false),
    class!("tablespaces", false),
    class!("text_search_configurations", false),
    class!("text_search_dictionaries", false),
    class!("text_search_parsers", false),
    class!("text_search_templates", false),
    class!("transforms", false),
    class!("triggers", true),
    class!("types", false),
    class!("user_mappings", false),
    class!("views", true),
];

#[cfg(test)]
mod tests;
