//! `lifeboat list`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lifeboat_backup::archive::{BackupState, ListOptions, ListedBackup, databases, list};
use lifeboat_core::{Name, Result};
use serde_json::json;

use super::Context;
use crate::cli::ListArgs;
use crate::output::table::{Align, render};
use crate::output::{Outcome, units};

/// Lists backups, newest first; orphans only when asked for.
///
/// # Errors
/// Those of configuration and store.
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
    let text = match (found.is_empty(), args.orphans) {
        (true, true) => format!("no orphans in {}\n", store.address()),
        (true, false) => {
            let databases = databases(&store, &context.job()).await?;
            no_backups(options.database.as_ref(), &databases, store.address())
        }
        (false, _) => table(&found, Timestamp::now()),
    };
    Ok(Outcome::success(text, json!({"store": store.address(), "backups": found})))
}

fn no_backups(wanted: Option<&Name>, databases: &BTreeSet<Name>, store: &str) -> String {
    let others: Vec<_> = databases.iter().filter(|name| Some(*name) != wanted).map(Name::as_str).collect();
    match wanted {
        Some(wanted) if !others.is_empty() => {
            format!("no backups of {wanted} in {store}; it has some of {}\n", others.join(", "))
        }
        _ => format!("no backups in {store}: is its address right, its prefix too?\n"),
    }
}

fn table(backups: &[ListedBackup], now: Timestamp) -> String {
    let head = [
        ("BACKUP", Align::Left),
        ("CLASS", Align::Left),
        ("AGE", Align::Right),
        ("SIZE", Align::Right),
        ("KEYS", Align::Left),
        ("STATE", Align::Left),
    ];
    let row = |backup: &ListedBackup| {
        vec![
            format!("{}/{}", backup.database, backup.id),
            backup.class.to_string(),
            units::age(backup.started, now),
            units::size(backup.stored_bytes),
            keys(backup),
            state(&backup.state),
        ]
    };
    render(&head, &backups.iter().map(row).collect::<Vec<_>>())
}

/// Which keys open it; a dash for what is not encrypted.
fn keys(backup: &ListedBackup) -> String {
    if backup.keys.is_empty() {
        return "-".to_owned();
    }
    backup.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lifeboat_backup::archive::{BackupState, ListedBackup};

    use super::table;

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
BACKUP                        CLASS     AGE      SIZE  KEYS     STATE
shop/20261121T021700Z-7f3a9c  daily  3 days  1.00 MiB  2026-11  damaged: dump-0000.sql.gz is missing
";
        assert_eq!(table(&[backup], now), expected);
    }
}
