//! The backups that were taken before a rotation was over: they hold values under the old key.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
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
    /// Whether it is of so little later that it may have been before all the same.
    uncertain: bool,
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
    let backups = found.into_iter().filter_map(|backup| old(backup, at)).collect();
    let keep_days = kept.into_iter().map(|(class, kept)| (class, kept.as_hours() / 24)).collect();
    Ok(Before::Listed { store: store.address().to_owned(), backups, keep_days })
}

/// What is left of a backup in a way that may hold values of before `at`.
fn old(backup: ListedBackup, at: Timestamp) -> Option<Old> {
    let taken = backup.snapshot.unwrap_or(backup.started);
    let is_old = !matches!(backup.state, BackupState::Orphan) && taken.duration_since(at) < DOUBT;
    is_old.then_some(Old { taken, class: backup.class, id: backup.id, uncertain: taken >= at })
}

/// How long after it a backup may still be of before: times of two hosts are compared where a backup has no snapshot of our own, and
/// a standby may be behind.
const DOUBT: SignedDuration = SignedDuration::from_hours(1);

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
    let (close, before): (Vec<_>, Vec<_>) = backups.iter().partition(|old| old.uncertain);
    let mut text = String::new();
    if !before.is_empty() {
        let (count, hold) = counted(before.len(), ["holds", "hold"]);
        text += &format!("{count} in {store} {hold} values under the old key:\n{}", lines(&before, keep_days));
    }
    if !close.is_empty() {
        let (count, was) = counted(close.len(), ["was", "were"]);
        text += &format!(
            "{count} in {store} {was} taken within an hour after the rotation was finalized and may hold values under the old key, for clocks differ and standbys are behind:\n{}",
            lines(&close, keep_days)
        );
    }
    text + "Keep the old key offline until the last of them is gone, then destroy it. Rotating the keys of backups does not\n\
            change what lies in them.\n"
}

/// So many backups, with their verb.
fn counted(backups: usize, [one, several]: [&'static str; 2]) -> (String, &'static str) {
    match backups {
        1 => ("1 backup".to_owned(), one),
        count => (format!("{count} backups"), several),
    }
}

fn lines(backups: &[&Old], keep_days: &BTreeMap<Name, i64>) -> String {
    let named = backups.iter().take(NAMED);
    let text: String = named.map(|old| format!("  {}/{}{}\n", old.class, old.id, until(old, keep_days))).collect();
    match backups.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}  and {more} more\n"),
    }
}

fn until(old: &Old, keep_days: &BTreeMap<Name, i64>) -> String {
    let end =
        keep_days.get(&old.class).and_then(|days| old.taken.checked_add(SignedDuration::from_hours(days * 24)).ok());
    end.map_or_else(String::new, |end| format!(", kept until {}", end.strftime("%Y-%m-%d")))
}

const NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};
    use lifeboat_backup::archive::{BackupState, ListedBackup};

    use super::{Old, old, told};

    /// What is made of a backup that was taken so much later.
    fn taken(minutes: i64, state: BackupState) -> Option<Old> {
        let taken = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let backup = ListedBackup {
            database: "shop".parse().unwrap(),
            class: "daily".parse().unwrap(),
            id: "19700101T000000Z-7f3a9c".parse().unwrap(),
            state,
            started: Timestamp::MAX,
            snapshot: Some(taken),
            encrypted: false,
            keys: Vec::new(),
            stored_bytes: 0,
            objects: 1,
        };
        old(backup, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_backup_of_about_the_end_is_told_with_its_doubt() {
        let found = [-61, -1, 0, 59, 60].map(|minutes| taken(minutes, BackupState::Available).map(|old| old.uncertain));
        assert_eq!(found, [Some(false), Some(false), Some(true), Some(true), None]);
        assert!(taken(-61, BackupState::Orphan).is_none(), "it is none");
    }

    #[test]
    fn those_that_may_hold_old_values_are_counted_apart() {
        let told = |minutes: &[i64]| {
            let backups: Vec<_> = minutes.iter().filter_map(|at| taken(*at, BackupState::Available)).collect();
            told("s3://vault", &backups, &BTreeMap::new())
        };
        let both = told(&[-60, -30, 30]);
        assert!(both.starts_with("2 backups in s3://vault hold values under the old key:\n"), "{both}");
        assert!(both.contains("1 backup in s3://vault was taken within an hour after"), "{both}");
        assert_eq!(both.matches("  daily/").count(), 3, "{both}");
        assert!(told(&[30]).starts_with("1 backup in s3://vault was taken within"));
        assert!(!told(&[-30]).contains("may hold"));
    }
}
