//! What an operator should know of a replacement before it is confirmed, and is no reason to refuse it.

use lifeboat_core::index::Source;
use lifeboat_core::{Job, Result, counted};
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
    publications: &[String],
    disk: &Disk,
) -> Vec<String> {
    let name = &beside.live.dbname;
    let taken = archive.manifest.snapshot;
    let mut notes = vec![format!(
        "what was written to {name} since {} is not in it afterwards, but in the database that is kept",
        taken.strftime("%Y-%m-%d %H:%M:%S UTC")
    )];
    notes.extend(backup_notes(archive));
    if let Some(source) = &archive.index.source {
        notes.extend(source_notes(source, beside));
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
    if !publications.is_empty() {
        let names = publications.join(", ");
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

/// Those of the live database, which logical replication reads. Where they cannot be read, other things stand in the way.
pub(super) async fn publications(live: &ConnectionSettings, found: &Live, job: &Job) -> Vec<String> {
    if !found.allows_connections {
        return Vec::new();
    }
    let how = ConnectOptions { retry: Retry::never(), cancel: job.cancel.clone() };
    let read = async {
        let mut session = Box::pin(connect(live, "restore", &how, &*job.monitor)).await?;
        let found: Result<Vec<Publication>> = rows(&mut session, PUBLICATIONS).await;
        session.close().await;
        found
    };
    let found = read.await.unwrap_or_default();
    found.into_iter().map(|publication| publication.name).collect()
}

#[derive(Deserialize)]
struct Publication {
    name: String,
}

/// A tool's own warnings may be many.
const WARNINGS_MAX: usize = 10;
const COUNTED_ONLY: &str = "another program printed the rows: tables that it printed under settings that the file does not tell, such as a \
                            time zone, are proven by their number of rows alone";
const PUBLICATIONS: &str = "SELECT pubname AS name FROM pg_publication ORDER BY 1";
