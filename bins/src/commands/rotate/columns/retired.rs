//! Whether an old key may go: what else is under it.

use lifeboat_core::Result;
use lifeboat_rotate::columns::ColumnKey;
use lifeboat_rotate::sweep::{Phase, Status, Target, TargetStatus, has_triggers};
use serde::Serialize;

use super::keys::{new_key, old_key};
use super::place::{Place, Scene};
use crate::config::{ColumnConfig, Config, Environment, SecretRef, Sourced};

/// Where a declared column stands.
enum Standing<'s> {
    Over,
    /// With its newest rotation, where there was one and it is known.
    Open(Option<&'s TargetStatus>),
    /// Where nobody has looked: in a database that this command does not ask, or that did not answer.
    NotLookedAt,
}

/// What a declared column has to do with a key.
#[derive(PartialEq, Eq)]
enum Relation {
    None,
    ComesFrom,
    GoesTo,
}

/// An old key of rotations that are over.
#[derive(Debug, Serialize)]
pub(super) struct Retired {
    /// Its fingerprint.
    pub(super) fingerprint: String,
    /// Where it is, in the operator's words.
    pub(super) reference: String,
    /// Columns with values that may still be under it.
    pub(super) needed_by: Vec<Needed>,
    /// Columns of other databases that nobody asked now, and documents of which a layout names some members only.
    pub(super) not_looked_at: Vec<String>,
}

/// A column with values that may be under a key.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Needed {
    /// Its name.
    pub(super) name: String,
    /// Whether a rotation from that key is under way, or declared. Otherwise it is the key that the last one ended with.
    #[serde(skip)]
    pub(super) is_open: bool,
}

/// Each old key once. `over`: the databases that this command has finalized before; `old_keys`: of each column its own; `status`:
/// none when nobody could look.
pub(super) async fn retired(
    scene: &Scene<'_>,
    place: &Place,
    over: &[&Place],
    old_keys: &[String],
    status: Option<&Status>,
) -> Vec<Retired> {
    // A column of the command line stands alone in the scene; the file may declare others.
    let configured = scene.configured();
    let mut retired: Vec<Retired> = Vec::new();
    for (target, old_key) in place.targets.iter().zip(old_keys) {
        if retired.iter().any(|known| known.fingerprint == *old_key) {
            continue;
        }
        let mut key = Retired {
            fingerprint: old_key.clone(),
            reference: place.old.get(&target.to_string()).cloned().unwrap_or_default(),
            needed_by: status.map(|status| under_by_the_book(old_key, status)).unwrap_or_default(),
            not_looked_at: documents(place),
        };
        match status {
            Some(status) => key.not_looked_at.extend(over_before(old_key, scene, place, status).await),
            None => key.not_looked_at.push(format!("other rotations in {}", place.database.name.value)),
        }
        match &configured {
            Ok(config) => key.ask_declared(config, (scene, place, over), status).await,
            Err(_) => key.not_looked_at.push("what the configuration declares, which cannot be read".to_owned()),
        }
        retired.push(key);
    }
    retired
}

impl Retired {
    /// Adds the declared columns that need this key, or that nobody has looked at.
    async fn ask_declared(
        &mut self,
        config: &Config,
        (scene, place, over): (&Scene<'_>, &Place, &[&Place]),
        status: Option<&Status>,
    ) {
        for column in &config.rotate.columns {
            let database = database_of(column, config);
            let here = database.is_none_or(|name| name == place.database.name.value.as_str());
            let name =
                if here { column.name() } else { format!("{} in {}", column.name(), database.unwrap_or_default()) };
            let is_told = self.needed_by.iter().any(|needed| needed.name == name) || self.not_looked_at.contains(&name);
            let standing = standing(column, database, &self.fingerprint, (scene, place, over), status);
            let entry = match &standing {
                // Before a reference is resolved: some run programs.
                Standing::Over => continue,
                _ if is_told => continue,
                Standing::Open(entry) => *entry,
                Standing::NotLookedAt => None,
            };
            let relation = self.relation(column, config, entry, &scene.context.environment).await;
            match (relation, standing) {
                (Some(Relation::None), _) => {}
                (Some(relation), Standing::Open(_)) => {
                    self.needed_by.push(Needed { name, is_open: relation == Relation::ComesFrom });
                }
                _ => self.not_looked_at.push(name),
            }
        }
    }

    /// Whether a declared column comes from this key or goes to it: by the same words, or by others that lead to it. None: a key
    /// of its own is not here. `entry`: what the book says of it.
    async fn relation(
        &self,
        column: &ColumnConfig,
        config: &Config,
        entry: Option<&TargetStatus>,
        environment: &Environment,
    ) -> Option<Relation> {
        let mut keys = column.keys.or(&config.rotate.keys);
        if keys.old.is_none() {
            // Without a rotation of its own, the new key is the one in use.
            (keys.old, keys.old_key_format, keys.new) = (keys.new.take(), None, None);
        }
        if entry.is_some_and(|entry| is_over(entry) && !may_be_under(&self.fingerprint, entry)) {
            // The book knows better what it has gone to.
            keys.new = None;
        }
        // With a key format of its own the same secret may be another key: then it takes the key itself.
        let has_own_format = column.keys.key_format.is_some() || column.keys.old_key_format.is_some();
        let is_named = |key: &Option<Sourced<SecretRef>>| {
            !has_own_format && key.as_ref().is_some_and(|key| key.value.to_string() == self.reference)
        };
        if is_named(&keys.old) {
            return Some(Relation::ComesFrom);
        }
        if is_named(&keys.new) {
            return Some(Relation::GoesTo);
        }
        let is_it = |key: Result<ColumnKey>| key.map(|key| key.fingerprint() == self.fingerprint);
        let comes_from = is_it(old_key(&keys, environment).await);
        if matches!(comes_from, Ok(true)) {
            return Some(Relation::ComesFrom);
        }
        let goes_to = if keys.new.is_some() { is_it(new_key(&keys, environment).await) } else { Ok(false) };
        match (comes_from, goes_to) {
            (_, Ok(true)) => Some(Relation::GoesTo),
            (Ok(_), Ok(_)) => Some(Relation::None),
            _ => None,
        }
    }
}

fn is_over(rotation: &TargetStatus) -> bool {
    matches!(rotation.phase, Phase::Finalized | Phase::RolledBack)
}

/// Whether a column may have values under a key, its newest rotation being this one.
fn may_be_under(fingerprint: &str, rotation: &TargetStatus) -> bool {
    let (old, new) = (rotation.old_key == fingerprint, rotation.new_key == fingerprint);
    match rotation.phase {
        Phase::Finalized => new,
        Phase::RolledBack => old,
        Phase::Sweeping | Phase::Prepared | Phase::Swept => old || new,
    }
}

/// Columns that may be under that key as the book has them.
fn under_by_the_book(fingerprint: &str, status: &Status) -> Vec<Needed> {
    let named = |target: &TargetStatus| Needed {
        name: format!("{}.{}", target.table, target.columns.join("+")),
        is_open: !is_over(target),
    };
    status.targets.iter().filter(|target| may_be_under(fingerprint, target)).map(named).collect()
}

/// Columns whose rotation from that key was over before one of these was: a trigger that keeps what a row was may have put values
/// under the old key there since.
async fn over_before(fingerprint: &str, scene: &Scene<'_>, place: &Place, status: &Status) -> Vec<String> {
    let is_of =
        |known: &TargetStatus, target: &Target| known.table == target.table && known.columns == target.value_columns();
    let is_asked = |known: &&TargetStatus| place.targets.iter().any(|target| is_of(known, target));
    let from_it = status.targets.iter().filter(|known| known.phase == Phase::Finalized && known.old_key == fingerprint);
    let (asked, others): (Vec<_>, Vec<_>) = from_it.partition(is_asked);
    let ended = asked.iter().map(|known| known.updated).max();
    let before: Vec<_> = others.iter().filter(|known| ended.is_some_and(|ended| known.updated < ended)).collect();
    let rewritten = place.targets.iter().filter(|target| asked.iter().any(|known| is_of(known, target)));
    let rewritten: Vec<_> = rewritten.collect();
    // One that is gone by now has fired all the same.
    let had_triggers = asked.iter().any(|known| known.had_triggers);
    if before.is_empty() || !had_triggers && !may_have_triggers(scene, place, &rewritten).await {
        return Vec::new();
    }
    let name = |known: &&&TargetStatus| {
        format!("{}.{}, which was finalized before (`verify` looks)", known.table, known.columns.join("+"))
    };
    before.iter().map(name).collect()
}

async fn may_have_triggers(scene: &Scene<'_>, place: &Place, targets: &[&Target]) -> bool {
    let job = scene.context.job();
    let found = has_triggers(&place.settings, targets, &job).await;
    let found = found.inspect_err(|error| job.warn(&format!("could not look for triggers: {}", error.chain())));
    found.unwrap_or(true)
}

/// Columns of documents: what a layout does not name, nobody has looked at.
fn documents(place: &Place) -> Vec<String> {
    let is_document = |target: &&Target| target.layout.to_string().contains("json{");
    let others = |target: &Target| format!("other members of the documents in {target}");
    place.targets.iter().filter(is_document).map(others).collect()
}

/// The database that a column is declared for. None: whichever is asked.
fn database_of<'c>(column: &'c ColumnConfig, config: &'c Config) -> Option<&'c str> {
    let only = || config.databases.first().filter(|_| config.databases.len() == 1).map(|database| &database.name);
    column.database.as_ref().or_else(only).map(|name| name.value.as_str())
}

/// Whether a declared column was finalized by this command, or before, and came from this key.
fn standing<'s>(
    column: &ColumnConfig,
    database: Option<&str>,
    fingerprint: &str,
    (scene, place, over): (&Scene<'_>, &Place, &[&Place]),
    status: Option<&'s Status>,
) -> Standing<'s> {
    let named = |place: &Place| database.is_none_or(|name| name == place.database.name.value.as_str());
    let is_it = |target: &Target| column.is_of(&target.table, &target.value_columns());
    let holds = |place: &Place| named(place) && place.targets.iter().any(is_it);
    let goes_elsewhere = |target: &Target| target.keys.new.derive().is_ok_and(|key| key.fingerprint() != fingerprint);
    let leaves =
        |place: &Place| named(place) && place.targets.iter().any(|target| is_it(target) && goes_elsewhere(target));
    if leaves(place) || over.iter().any(|place| leaves(place)) {
        return Standing::Over;
    }
    if !named(place) {
        return if scene.places.iter().any(holds) { Standing::Open(None) } else { Standing::NotLookedAt };
    }
    let Some(status) = status else { return Standing::NotLookedAt };
    let newest = status.targets.iter().find(|known| column.is_of(&known.table, &known.columns));
    match newest {
        Some(known) if known.phase == Phase::Finalized && known.old_key == fingerprint => Standing::Over,
        newest => Standing::Open(newest),
    }
}
