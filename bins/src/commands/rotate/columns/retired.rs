//! Whether an old key may go: what else is under it.

use lifeboat_rotate::sweep::{Finalized, Phase, Status, TargetStatus};

use super::place::{Place, Scene};
use crate::config::{ColumnConfig, Config};

/// An old key of rotations that are over.
pub(super) struct Retired {
    /// Its fingerprint.
    pub(super) fingerprint: String,
    /// Where it is, in the operator's words.
    pub(super) reference: String,
    /// Columns with values that may still be under it.
    pub(super) needed_by: Vec<String>,
}

/// Each old key once.
pub(super) fn retired(scene: &Scene<'_>, place: &Place, finalized: &Finalized, status: &Status) -> Vec<Retired> {
    // A column of the command line stands alone in the scene; the file may declare others.
    let configured = scene.context.config(scene.context.global.flags()).ok();
    let mut retired: Vec<Retired> = Vec::new();
    for target in &finalized.targets {
        if retired.iter().any(|known| known.fingerprint == target.old_key) {
            continue;
        }
        let reference = place.old.get(&target.verification.target).cloned().unwrap_or_default();
        let mut needed_by = under_way_from(&target.old_key, status);
        for column in configured.iter().flat_map(|config| declared_with(&reference, config)) {
            if !is_done(column, &target.old_key, scene, status) && !needed_by.contains(&column.name()) {
                needed_by.push(column.name());
            }
        }
        retired.push(Retired { fingerprint: target.old_key.clone(), reference, needed_by });
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

fn declared_with<'c>(reference: &'c str, config: &'c Config) -> impl Iterator<Item = &'c ColumnConfig> {
    let old = |column: &ColumnConfig| column.keys.or(&config.rotate.keys).old.map(|old| old.value.to_string());
    config.rotate.columns.iter().filter(move |column| old(column).is_some_and(|old| old == reference))
}

/// Whether a declared column is among those of this command, or was finalized before. With a key format of its own the same
/// secret is another key.
fn is_done(column: &ColumnConfig, fingerprint: &str, scene: &Scene<'_>, status: &Status) -> bool {
    let here = scene.places.iter().flat_map(|place| &place.targets);
    let own_format = column.keys.key_format.is_some() || column.keys.old_key_format.is_some();
    let before = |target: &TargetStatus| {
        let same_key = own_format || target.old_key == fingerprint;
        column.is_of(&target.table, &target.columns) && target.phase == Phase::Finalized && same_key
    };
    here.into_iter().any(|target| column.is_of(&target.table, &target.value_columns()))
        || status.targets.iter().any(before)
}
