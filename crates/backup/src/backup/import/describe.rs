//! What is written of an imported file: what it says of itself, and no more.

use jiff::Timestamp;
use lifeboat_core::index::{DatabaseProperties, DumpedFrom, Extension, Index, LargeObjects, Role, Tools};
use lifeboat_core::manifest::{Imported, Manifest, Method, StoredObject};
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{Error, FORMAT, Kind, Result, TOOL};

use super::{ImportOptions, Importing, Unpacked};
use crate::indexed::IndexedScript;
use crate::stream::Vetted;

pub(super) fn index(
    unpacked: &Unpacked,
    vetted: &Vetted,
    script: IndexedScript,
    import: &ImportOptions,
    warnings: Vec<String>,
) -> Index {
    let header = &unpacked.header;
    let pg_dump =
        header.pg_dump.as_ref().map_or_else(|| "pg_dump, version unknown".to_owned(), |it| format!("pg_dump {it}"));
    let role = |name: &crate::script::SqlName| Role { name: name.to_string(), login: false, superuser: false };
    let extension = |(name, schema): (&crate::script::SqlName, &Option<crate::script::SqlName>)| Extension {
        name: name.to_string(),
        version: String::new(),
        schema: schema.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    Index {
        format: FORMAT,
        source: None,
        dumped_from: Some(DumpedFrom { server_version: header.server.clone(), database: header.database.clone() }),
        tools: Tools { pg_dump, prefix: None },
        settings: settings(vetted, import.zone()),
        database: DatabaseProperties { connection_limit: NO_LIMIT, ..DatabaseProperties::default() },
        roles: vetted.roles.iter().map(role).collect(),
        extensions: vetted.extensions.iter().map(extension).collect(),
        sequences: script.sequences,
        large_objects: LargeObjects { count: script.large_objects },
        relations: script.relations,
        inserts: vetted.inserts,
        skipped: Vec::new(),
        script_bytes: script.ranges.iter().map(|range| range.bytes.sql_bytes).sum(),
        ranges: script.ranges,
        warnings,
    }
}

/// Those that every pg_dump sets, and those that are likely.
fn settings(vetted: &Vetted, time_zone: &str) -> std::collections::BTreeMap<String, String> {
    let quotes = if vetted.quotes_all { "on" } else { "off" };
    let settings = [
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", time_zone),
        ("bytea_output", "hex"),
        ("extra_float_digits", "3"),
        ("quote_all_identifiers", quotes),
        ("search_path", ""),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub(super) fn manifest(
    importing: &Importing<'_>,
    backup: &BackupPath,
    unpacked: &Unpacked,
    taken: Timestamp,
    script: Vec<StoredObject>,
    attachments: Vec<StoredObject>,
) -> Result<Manifest> {
    let unread = || Error::new(Kind::Failure, format!("read {} to its end", unpacked.name));
    let digested = unpacked.digested.get().ok_or_else(unread)?;
    Ok(Manifest {
        format: FORMAT,
        tool: TOOL.to_owned(),
        id: backup.id.clone(),
        run: importing.run.clone(),
        database: backup.database.clone(),
        class: backup.class.clone(),
        method: Method::Stream,
        compression: importing.options.compression,
        started: taken,
        snapshot: taken,
        finished: importing.options.clock.now(),
        reencrypted_from: None,
        imported: Some(Imported {
            file: unpacked.name.clone(),
            forms: unpacked.forms.iter().map(|form| (*form).to_owned()).collect(),
            length: digested.bytes,
            sha256: digested.sha256,
        }),
        script,
        attachments,
    })
}

const NO_LIMIT: i32 = -1;
