//! What an operator should know of a replacement before it is confirmed, and is no reason to refuse it.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use lifeboat_core::index::{Index, Source};
use lifeboat_core::{Error, Job, counted};
use serde::Deserialize;

use super::beside::Beside;
use super::disk::Disk;
use super::live::Live;
use super::{ReplaceOptions, proof};
use crate::archive::Archive;
use crate::postgres::{ConnectOptions, ConnectionSettings, Retry, connect, rows};

/// Of what is lost, what is not carried over and what is not proven.
pub(super) fn notes(
    archive: &Archive,
    beside: &Beside,
    found: &Live,
    options: &ReplaceOptions,
    in_use: &InUse,
    disk: &Disk,
) -> Vec<String> {
    let name = &beside.live.dbname;
    let taken = archive.manifest.snapshot;
    let mut notes = vec![format!(
        "what was written to {name} since {} is not in it afterwards, but in the database that is kept",
        taken.strftime("%Y-%m-%d %H:%M:%S UTC")
    )];
    notes.extend(backup_notes(archive));
    notes.extend(missing(&archive.index, &in_use.tables).map(|missing| format!("{name} has {missing}")));
    if let Some(source) = &archive.index.source {
        notes.extend(source_notes(source, beside));
    }
    if !in_use.hidden.is_empty() {
        notes.push(format!(
            "row-level security keeps the role from reading all of {}: where the backup has the same policies, its rows cannot be compared \
             after they were restored; connect as a superuser, or as a role with BYPASSRLS",
            first_of(&in_use.hidden)
        ));
    }
    if !beside.untrusted.is_empty() && beside.ready.is_none() {
        notes.push(format!(
            "before anything else it is tried whether the role may create {} in a new database",
            beside.untrusted.join(", ")
        ));
    }
    if found.followers > 0 {
        let followers = counted(found.followers, "server or program");
        notes.push(format!(
            "{followers} follow{} this server: sessions there stay with the old database until they end",
            if found.followers == 1 { "s" } else { "" }
        ));
    }
    if !found.allows_connections {
        notes.push(format!("{name} allows no connections; the restored one will"));
    }
    if !in_use.publications.is_empty() {
        let names = in_use.publications.join(", ");
        notes.push(format!("{name} has the publications {names}; the restored one will have those of the backup"));
    }
    if let Some(why) = &disk.log_kept {
        notes.push(format!(
            "the server keeps its write-ahead log because {why}: that of the restore stays on its disk, and a full one stops the server"
        ));
    }
    if options.safety.is_none() {
        notes.push("no safety backup is taken".to_owned());
    }
    notes
}

/// What was told when it was taken or imported, and what its proof will not tell.
fn backup_notes(archive: &Archive) -> Vec<String> {
    let warnings = &archive.index.warnings;
    let mut notes: Vec<_> =
        warnings.iter().take(WARNINGS_MAX).map(|warning| format!("of the backup: {warning}")).collect();
    if warnings.len() > WARNINGS_MAX {
        let more = counted((warnings.len() - WARNINGS_MAX) as u64, "more warning");
        notes.push(format!("of the backup: {more}; `lifeboat show {}` has them", archive.path));
    }
    if archive.manifest.imported.is_some() && proof::without_proof(archive).is_none() {
        notes.push(COUNTED_ONLY.to_owned());
    }
    notes
}

fn source_notes(source: &Source, beside: &Beside) -> Vec<String> {
    let mut notes = Vec::new();
    if source.database != beside.live.dbname {
        notes.push(format!("the backup was taken of a database called {}", source.database));
    }
    if let Some(stand_in) = &beside.options.stand_in
        && (&source.collate, &source.ctype, &source.locale)
            != (&stand_in.source.collate, &stand_in.source.ctype, &stand_in.source.locale)
    {
        notes.push(format!(
            "the locale stays {}, which is not that of the backup, {}",
            stand_in.source.collate, source.collate
        ));
    }
    notes
}

/// Tables that the live database has and the backup does not: newer ones, or those that an imported dump leaves out.
fn missing(index: &Index, tables: &[Table]) -> Option<String> {
    if index.inserts {
        return None;
    }
    let loaded: BTreeSet<_> = index.relations.iter().map(|one| (one.schema.as_str(), one.name.as_str())).collect();
    let skipped: BTreeSet<_> = index.skipped.iter().map(|one| (one.schema.as_str(), one.name.as_str())).collect();
    let is_known = |table: &&Table| {
        let name = (table.schema.as_str(), table.name.as_str());
        // Rows of a partition may be in the file as those of the whole table.
        let root = table.root.as_ref().map(|root| (root.schema.as_str(), root.name.as_str()));
        loaded.contains(&name) || skipped.contains(&name) || root.is_some_and(|root| loaded.contains(&root))
    };
    let missing: Vec<_> = tables.iter().filter(|table| !is_known(table)).collect();
    let told = || format!("{} that the backup lacks: {}", counted(missing.len() as u64, "table"), first_of(&missing));
    (!missing.is_empty()).then(told)
}

/// The names of the first ones, and whether there are more.
fn first_of(tables: &[impl Borrow<Table>]) -> String {
    let name = |table: &Table| format!("{}.{}", table.schema, table.name);
    let first: Vec<_> = tables.iter().take(TABLES_MAX).map(|table| name(table.borrow())).collect();
    let more = if tables.len() > TABLES_MAX { " and others" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// What the live database holds. Where it cannot be read, other things stand in the way.
pub(super) async fn in_use(live: &ConnectionSettings, found: &Live, job: &Job) -> InUse {
    if !found.allows_connections {
        return InUse::default();
    }
    let how = ConnectOptions { retry: Retry::never(), cancel: job.cancel.clone() };
    let read = async {
        let mut session = Box::pin(connect(live, "restore", &how, &*job.monitor)).await?;
        let publications: Vec<Publication> = rows(&mut session, PUBLICATIONS).await?;
        let tables = rows(&mut session, TABLES).await?;
        let hidden = rows(&mut session, HIDDEN).await?;
        session.close().await;
        Ok::<_, Error>(InUse { publications: publications.into_iter().map(|one| one.name).collect(), tables, hidden })
    };
    read.await.unwrap_or_default()
}

/// What a replacement may leave behind.
#[derive(Default)]
pub(super) struct InUse {
    /// What logical replication reads.
    publications: Vec<String>,
    /// Those that hold rows of their own.
    tables: Vec<Table>,
    /// Those of which policies hide rows from the role.
    hidden: Vec<Table>,
}

#[derive(Deserialize)]
struct Publication {
    name: String,
}

#[derive(Deserialize)]
struct Table {
    schema: String,
    name: String,
    /// The whole table, of a partition.
    root: Option<Root>,
}

#[derive(Deserialize)]
struct Root {
    schema: String,
    name: String,
}

/// A tool's own warnings may be many.
const WARNINGS_MAX: usize = 10;
const COUNTED_ONLY: &str = "another program printed the rows: tables that it printed under settings that the file does not tell, such as a \
                            time zone, are proven by their number of rows alone";
const PUBLICATIONS: &str = "SELECT pubname AS name FROM pg_catalog.pg_publication ORDER BY 1";
/// Those of extensions come with the extension.
const TABLES: &str = "SELECT n.nspname AS schema, c.relname AS name, \
    (SELECT pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname) FROM pg_catalog.pg_class r \
     JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace \
     WHERE c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid)) AS root FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2";
const HIDDEN: &str = "SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.relrowsecurity \
    AND pg_catalog.row_security_active(c.oid) ORDER BY 1, 2";
/// As many tables are named.
const TABLES_MAX: usize = 5;
