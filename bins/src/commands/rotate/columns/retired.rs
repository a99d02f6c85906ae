//! Whether an old key may go: what else is under it.

use lifeboat_rotate::sweep::{Phase, Status, Target, TargetStatus};
use serde::Serialize;

use super::keys::old_key;
use super::place::{Place, Scene};
use crate::config::{ColumnConfig, Config, Environment};

/// Where a declared column stands.
enum Standing {
    Over,
    Open,
    /// Where nobody has looked: in a database that this command does not ask, or that did not answer.
    NotLookedAt,
}

/// An old key of rotations that are over.
#[derive(Debug, Serialize)]
pub(super) struct Retired {
    /// Its fingerprint.
    pub(super) fingerprint: String,
    /// Where it is, in the operator's words.
    pub(super) reference: String,
    /// Columns with values that may still be under it.
    pub(super) needed_by: Vec<String>,
    /// Columns of other databases that nobody asked now, and documents of which a layout names some members only.
    pub(super) not_looked_at: Vec<String>,
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
        let reference = place.old.get(&target.to_string()).cloned().unwrap_or_default();
        let mut needed_by = status.map(|status| under_way_from(old_key, status)).unwrap_or_default();
        let mut not_looked_at = documents(place);
        match status {
            Some(status) => not_looked_at.extend(over_before(old_key, place, status)),
            None => not_looked_at.push(format!("other rotations in {}", place.database.name.value)),
        }
        let Ok(config) = &configured else {
            not_looked_at.push("what the configuration declares, which cannot be read".to_owned());
            retired.push(Retired { fingerprint: old_key.clone(), reference, needed_by, not_looked_at });
            continue;
        };
        for column in &config.rotate.columns {
            let is_under = is_under(column, config, &reference, old_key, &scene.context.environment).await;
            let database = database_of(column, config);
            let here = database.is_none_or(|name| name == place.database.name.value.as_str());
            let name =
                if here { column.name() } else { format!("{} in {}", column.name(), database.unwrap_or_default()) };
            let names = match (is_under, standing(column, database, old_key, (scene, place, over), status)) {
                (Some(false), _) | (_, Standing::Over) => continue,
                (Some(true), Standing::Open) => &mut needed_by,
                (None, Standing::Open) | (_, Standing::NotLookedAt) => &mut not_looked_at,
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        retired.push(Retired { fingerprint: old_key.clone(), reference, needed_by, not_looked_at });
    }
    retired
}

/// Columns whose rotation from that key is not over.
fn under_way_from(fingerprint: &str, status: &Status) -> Vec<String> {
    let open = |target: &&TargetStatus| {
        target.old_key == fingerprint && !matches!(target.phase, Phase::Finalized | Phase::RolledBack)
    };
    status.targets.iter().filter(open).map(|target| format!("{}.{}", target.table, target.columns.join("+"))).collect()
}

/// Columns whose rotation from that key was over before one of these began: a trigger that keeps what a row was has put values
/// under the old key there since.
fn over_before(fingerprint: &str, place: &Place, status: &Status) -> Vec<String> {
    let is_asked = |known: &TargetStatus| {
        place.targets.iter().any(|target| known.table == target.table && known.columns == target.value_columns())
    };
    let (asked, others): (Vec<_>, Vec<_>) = status.targets.iter().partition(|known| is_asked(known));
    let began = asked.iter().filter(|known| known.old_key == fingerprint).map(|known| known.started).max();
    let was_over = |known: &&TargetStatus| {
        let is_over = known.phase == Phase::Finalized && known.old_key == fingerprint;
        is_over && began.is_some_and(|began| known.updated < began)
    };
    let name = |known: &TargetStatus| {
        format!("{}.{}, which was finalized before (`verify` looks)", known.table, known.columns.join("+"))
    };
    others.into_iter().filter(was_over).map(name).collect()
}

/// Columns of documents: what a layout does not name, nobody has looked at.
fn documents(place: &Place) -> Vec<String> {
    let is_document = |target: &&Target| target.layout.to_string().contains("json{");
    let others = |target: &Target| format!("other members of the documents in {target}");
    place.targets.iter().filter(is_document).map(others).collect()
}

/// Whether a declared column comes from that key: by the same words, or by others that lead to it. None: its key is not here.
async fn is_under(
    column: &ColumnConfig,
    config: &Config,
    reference: &str,
    fingerprint: &str,
    environment: &Environment,
) -> Option<bool> {
    let mut keys = column.keys.or(&config.rotate.keys);
    if keys.old.is_none() {
        // Without a rotation of its own, the new key is the one in use.
        (keys.old, keys.old_key_format) = (keys.new.clone(), None);
    }
    if keys.old.as_ref().is_some_and(|old| old.value.to_string() == reference) {
        return Some(true);
    }
    let key = old_key(&keys, environment).await.ok()?;
    Some(key.fingerprint() == fingerprint)
}

/// The database that a column is declared for. None: whichever is asked.
fn database_of<'c>(column: &'c ColumnConfig, config: &'c Config) -> Option<&'c str> {
    let only = || config.databases.first().filter(|_| config.databases.len() == 1).map(|database| &database.name);
    column.database.as_ref().or_else(only).map(|name| name.value.as_str())
}

/// Whether a declared column was finalized by this command, or before. With a key format of its own the same secret is another key.
fn standing(
    column: &ColumnConfig,
    database: Option<&str>,
    fingerprint: &str,
    (scene, place, over): (&Scene<'_>, &Place, &[&Place]),
    status: Option<&Status>,
) -> Standing {
    let named = |place: &Place| database.is_none_or(|name| name == place.database.name.value.as_str());
    let holds = |place: &Place| {
        named(place) && place.targets.iter().any(|target| column.is_of(&target.table, &target.value_columns()))
    };
    if holds(place) || over.iter().any(|place| holds(place)) {
        return Standing::Over;
    }
    if !named(place) {
        return if scene.places.iter().any(holds) { Standing::Open } else { Standing::NotLookedAt };
    }
    let Some(status) = status else { return Standing::NotLookedAt };
    let own_format = column.keys.key_format.is_some() || column.keys.old_key_format.is_some();
    let before = |target: &TargetStatus| {
        let same_key = own_format || target.old_key == fingerprint;
        column.is_of(&target.table, &target.columns) && target.phase == Phase::Finalized && same_key
    };
    if status.targets.iter().any(before) { Standing::Over } else { Standing::Open }
}
