//! Columns that are declared, and not asked for now, whose values are bound to what is.

use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::sweep::{Plan, Target};

use super::place::{Place, Scene, is_in};
use crate::config::{ColumnConfig, Config};

/// Refuses targets whose new values would take what they are bound to from those of another declared column.
///
/// # Errors
/// [`Kind::Policy`], before anything was asked of the database.
pub(super) fn refuse_to_unbind(scene: &Scene<'_>, place: &Place) -> Result<()> {
    let Some(config) = configured(scene) else { return Ok(()) };
    let refused = place.targets.iter().find_map(|target| unbound(target, place, &config).map(|why| (target, why)));
    refused.map_or(Ok(()), |(target, why)| {
        Err(Error::new(Kind::Policy, format!("rotate {target}: {why}")).hint(format!("nothing was written: {HINT}")))
    })
}

/// The same as refusals of a plan.
pub(super) fn tell(plan: &mut Plan, scene: &Scene<'_>, place: &Place) {
    let Some(config) = configured(scene) else { return };
    for (target, planned) in place.targets.iter().zip(&mut plan.targets) {
        planned.refusals.extend(unbound(target, place, &config).map(|why| format!("{why}; {HINT}")));
    }
}

const HINT: &str = "no value there would open any more. Only the application can rotate both";

/// A column of the command line stands alone in the scene; the file may declare others.
fn configured(scene: &Scene<'_>) -> Option<Config> {
    scene.context.config(scene.context.global.flags()).ok()
}

/// Which values would be lost. What is asked for together the library compares itself.
fn unbound(target: &Target, place: &Place, config: &Config) -> Option<String> {
    let written = target.value_columns();
    let is_asked =
        |column: &ColumnConfig| place.targets.iter().any(|target| column.is_of(&target.table, &target.value_columns()));
    let here = |column: &&ColumnConfig| {
        column.table.value == target.table && !is_asked(column) && may_be_in(column, place, config)
    };
    config.rotate.columns.iter().filter(here).find_map(|column| {
        let aad = &column.aad.as_ref()?.value;
        let moving: Vec<_> =
            aad.key_columns().into_iter().filter(|key| written.iter().any(|name| name == key)).collect();
        (!moving.is_empty()).then(|| format!("the AAD {aad} of {} is made of {}", column.name(), moving.join(" and ")))
    })
}

/// A database that is given by its address alone may be any of those that are configured.
fn may_be_in(column: &ColumnConfig, place: &Place, config: &Config) -> bool {
    let is_known = config.databases.iter().any(|database| database.name.value == place.database.name.value);
    !is_known || is_in(column, &place.database, config)
}
