//! `lifeboat list`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lifeboat_backup::archive::{BackupState, ListOptions, ListedBackup, databases, list};
use lifeboat_core::drill::Proven;
use lifeboat_core::keys::KeyId;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{Job, Name, Result};
use lifeboat_drill::history::{Failure, Proof, Proofs, proofs};
use serde_json::{Value, json};

use super::{Context, unknown, unwritten};
use crate::cli::ListArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::table::{Align, render};
use crate::output::{Outcome, units};

/// Lists backups, newest first; orphans only when asked for.
///
/// # Errors
/// Those of configuration and store; [`Kind::Usage`](lifeboat_core::Kind::Usage) for a name that neither knows.
pub(super) async fn run(args: &ListArgs, context: &Context) -> Result<Outcome> {
    let (config, store) = context.reading().await?;
    let wanted = args.database.as_deref().or(context.global.name.as_deref());
    let options = ListOptions {
        database: wanted.map(str::parse::<Name>).transpose()?,
        kept: config.retention.kept(),
        cancel: context.cancel.clone(),
        ..ListOptions::default()
    };
    let mut found = list(&store, &options, context.monitor.clone()).await?;
    found.retain(|backup| (backup.state == BackupState::Orphan) == args.orphans);
    let proofs = proven(&found, &store, context).await;
    let (text, exit) = if found.is_empty() {
        nothing(args, options.database.as_ref(), &config, &store, &context.job()).await?
    } else {
        let what_they_are = if args.orphans { ABOUT_ORPHANS } else { "" };
        (table(&found, proofs.as_ref(), Timestamp::now()) + what_they_are, Exit::Success)
    };
    let backups: Vec<Value> = found.iter().map(|backup| described(backup, proofs.as_ref())).collect();
    Ok(Outcome { text, json: json!({"store": store.address(), "backups": backups}), exit })
}

/// Why there is nothing to list.
async fn nothing(
    args: &ListArgs,
    wanted: Option<&Name>,
    config: &Config,
    store: &Store,
    job: &Job,
) -> Result<(String, Exit)> {
    if let Some(told) = unwritten::told(store, job).await? {
        return Ok(told);
    }
    let (address, databases) = (store.address(), databases(store, job).await?);
    unknown::refuse(wanted, config, &databases)?;
    let text =
        if args.orphans { format!("no orphans in {address}\n") } else { no_backups(wanted, &databases, address) };
    Ok((text, Exit::Success))
}

/// Which backups drills proved; `None` when the store does not tell, for a list of backups is worth having without it.
async fn proven(backups: &[ListedBackup], store: &Store, context: &Context) -> Option<Proofs> {
    let job = context.job();
    let paths: Vec<_> = backups.iter().map(ListedBackup::path).collect();
    let found = proofs(&paths, &store.clone().at_first_contact(), &job).await;
    let warned = found.inspect_err(|error| job.warn(&format!("could not read what drills proved: {}", error.chain())));
    warned.ok()
}

fn described(backup: &ListedBackup, proofs: Option<&Proofs>) -> Value {
    let mut json = json!(backup);
    json["proven"] = json!(proofs.and_then(|proofs| proofs.of(&backup.path())));
    json["failed_drill"] = json!(proofs.and_then(|proofs| proofs.failure_of(&backup.path())));
    json
}

fn no_backups(wanted: Option<&Name>, databases: &BTreeSet<Name>, store: &str) -> String {
    let others: Vec<_> = databases.iter().filter(|name| Some(*name) != wanted).map(Name::as_str).collect();
    match wanted {
        Some(wanted) if !others.is_empty() => {
            format!("no backups of {wanted} in {store}; it has some of {}\n", others.join(", "))
        }
        Some(wanted) => format!("no backups of {wanted} in {store}; `lifeboat runs` tells what was begun\n"),
        None => format!("no backups in {store}; `lifeboat runs` tells what was begun\n"),
    }
}

fn table(backups: &[ListedBackup], proofs: Option<&Proofs>, now: Timestamp) -> String {
    let head = [
        ("BACKUP", Align::Left),
        ("CLASS", Align::Left),
        ("AGE", Align::Right),
        ("SIZE", Align::Right),
        ("KEYS", Align::Left),
        ("PROVEN", Align::Left),
        ("STATE", Align::Left),
    ];
    let row = |backup: &ListedBackup| {
        vec![
            format!("{}/{}", backup.database, backup.id),
            backup.class.to_string(),
            units::age(backup.started, now),
            units::size(backup.stored_bytes),
            keys(&backup.keys),
            proofs.map_or_else(|| "?".to_owned(), |proofs| drilled(proofs, &backup.path(), now)),
            state(&backup.state),
        ]
    };
    render(&head, &backups.iter().map(row).collect::<Vec<_>>())
}

/// What the last drill that found something out said of it.
fn drilled(proofs: &Proofs, backup: &BackupPath, now: Timestamp) -> String {
    match (proofs.of(backup), proofs.failure_of(backup)) {
        (Some(passed), _) => proof(passed, now),
        (None, Some(Failure { finished, .. })) => format!("FAILED {} ago", units::age(*finished, now)),
        (None, None) => "-".to_owned(),
    }
}

/// How long ago a drill passed it; with a part of the rows only, where it was so.
fn proof(proof: &Proof, now: Timestamp) -> String {
    let age = units::age(proof.finished, now);
    if proof.rows == Proven::All { format!("{age} ago") } else { format!("{age} ago, in part") }
}

/// Which keys open it; a dash for what is not encrypted.
pub(super) fn keys(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return "-".to_owned();
    }
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn state(state: &BackupState) -> String {
    match state {
        BackupState::Available => "available".to_owned(),
        BackupState::Damaged(why) => format!("damaged: {why}"),
        BackupState::Expired => "expired".to_owned(),
        BackupState::InFlight => "in flight".to_owned(),
        BackupState::Orphan => "orphan".to_owned(),
    }
}

const ABOUT_ORPHANS: &str = "\nNothing needs them, and Lifeboat removes none of them: docs/stores.md#orphans\n";

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lifeboat_backup::archive::{BackupState, ListedBackup};
    use lifeboat_core::drill::Proven;
    use lifeboat_drill::history::{Proof, Proofs};

    use super::{proof, table};

    #[test]
    fn backups_are_listed_with_size_age_and_state() {
        let backup = ListedBackup {
            database: "shop".parse().unwrap(),
            class: "daily".parse().unwrap(),
            id: "20261121T021700Z-7f3a9c".parse().unwrap(),
            state: BackupState::Damaged("dump-0000.sql.gz is missing".to_owned()),
            started: "2026-11-21T02:17:00Z".parse().unwrap(),
            snapshot: None,
            encrypted: true,
            keys: vec!["2026-11".parse().unwrap()],
            stored_bytes: 1 << 20,
            objects: 4,
        };
        let now: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let expected = "\
BACKUP                        CLASS     AGE      SIZE  KEYS     PROVEN  STATE
shop/20261121T021700Z-7f3a9c  daily  3 days  1.00 MiB  2026-11  -       damaged: dump-0000.sql.gz is missing
";
        assert_eq!(table(&[backup], Some(&Proofs::default()), now), expected);
    }

    #[test]
    fn a_backup_that_was_proven_says_when_and_how_far() {
        let now: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let of = |rows| Proof {
            drill: "20261121T040000Z-7f3a9c".parse().unwrap(),
            finished: "2026-11-21T04:00:00Z".parse().unwrap(),
            rows,
        };
        assert_eq!(proof(&of(Proven::All), now), "2 days ago");
        assert_eq!(proof(&of(Proven::Part), now), "2 days ago, in part");
    }
}
