//! The backups that were taken before a rotation was over: they hold values under the old key.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifeboat_backup::archive::{BackupState, ListOptions, ListedBackup, list};
use lifeboat_core::{BackupId, Name, Result};
use serde::Serialize;

use super::place::{NAMELESS, Place, Scene};

/// What is known of backups taken before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Before {
    /// These are in the store.
    Listed {
        /// The store's address.
        store: String,
        /// Newest first.
        backups: Vec<Old>,
        /// How many days backups of a class are kept, where the configuration says it.
        keep_days: BTreeMap<Name, i64>,
    },
    /// The store could not be looked at: why.
    NotLooked(String),
}

/// A backup that was taken before.
#[derive(Debug, Serialize)]
pub(super) struct Old {
    class: Name,
    id: BackupId,
    taken: Timestamp,
}

/// Looks for backups of the database that were taken before `at`. That it cannot look does not undo the end of a rotation.
pub(super) async fn before(scene: &Scene<'_>, place: &Place, at: Timestamp) -> Before {
    let store = &scene.config.store;
    if store.url.is_none() {
        return Before::NotLooked("no store is configured".to_owned());
    }
    if place.database.name.value.as_str() == NAMELESS {
        return Before::NotLooked("no --name says under which name the database is backed up".to_owned());
    }
    match listed(scene, place, at).await {
        Ok(found) => found,
        Err(error) => Before::NotLooked(error.chain()),
    }
}

async fn listed(scene: &Scene<'_>, place: &Place, at: Timestamp) -> Result<Before> {
    let store = scene.config.store.open(&scene.context.environment).await?;
    let kept = scene.config.retention.kept();
    let options = ListOptions {
        database: Some(place.database.name.value.clone()),
        kept: kept.clone(),
        cancel: scene.context.cancel.clone(),
        ..ListOptions::default()
    };
    let found = list(&store, &options, scene.context.monitor.clone()).await?;
    let is_backup = |backup: &ListedBackup| !matches!(backup.state, BackupState::Orphan);
    let taken = |backup: &ListedBackup| backup.snapshot.unwrap_or(backup.started);
    let old = found.into_iter().filter(is_backup).filter(|backup| taken(backup) < at);
    let backups = old.map(|backup| Old { taken: taken(&backup), class: backup.class, id: backup.id }).collect();
    let keep_days = kept.into_iter().map(|(class, kept)| (class, kept.as_hours() / 24)).collect();
    Ok(Before::Listed { store: store.address().to_owned(), backups, keep_days })
}

impl Before {
    /// For people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::NotLooked(why) => format!(
                "It was not looked which backups were taken before: {why}.\nEach of them holds values under the old key: \
                 keep the key offline as long as one of them is kept.\n"
            ),
            Self::Listed { store, backups, .. } if backups.is_empty() => {
                format!(
                    "No backup in {store} was taken before under this name. Make sure that it is the name and the store of its \
                     backups, and look into other stores, before the old key is destroyed.\n"
                )
            }
            Self::Listed { store, backups, keep_days } => told(store, backups, keep_days),
        }
    }
}

fn told(store: &str, backups: &[Old], keep_days: &BTreeMap<Name, i64>) -> String {
    let (count, hold) = match backups.len() {
        1 => ("1 backup".to_owned(), "holds"),
        count => (format!("{count} backups"), "hold"),
    };
    let mut text = format!("{count} in {store} {hold} values under the old key:\n");
    for old in backups.iter().take(NAMED) {
        text += &format!("  {}/{}{}\n", old.class, old.id, until(old, keep_days));
    }
    if backups.len() > NAMED {
        text += &format!("  and {} more\n", backups.len() - NAMED);
    }
    text + "Keep the old key offline until the last of them is gone, then destroy it. Rotating the keys of backups does not\n\
            change what lies in them.\n"
}

fn until(old: &Old, keep_days: &BTreeMap<Name, i64>) -> String {
    let end = keep_days
        .get(&old.class)
        .and_then(|days| old.taken.checked_add(jiff::SignedDuration::from_hours(days * 24)).ok());
    end.map_or_else(String::new, |end| format!(", kept until {}", end.strftime("%Y-%m-%d")))
}

const NAMED: usize = 20;
