//! What the configuration makes of one drill.

use std::num::NonZeroUsize;
use std::time::Duration;

use lifeboat_backup::BackupRef;
use lifeboat_core::{Name, Result};
use lifeboat_drill::DrillOptions;
use lifeboat_drill::check::{Assert, CheckOptions, EncryptedColumns, RowsOptions, ShapeOptions, Smoke};

use super::super::host;
use super::Surroundings;
use crate::commands::{Context, rotate};
use crate::config::{AssertConfig, ColumnConfig, Config, DrillConfig, EncryptedColumns as HowMuch};

/// What a drill of `reference` is told; which columns it opens is asked apart.
pub(super) fn options(
    reference: &BackupRef,
    surroundings: &Surroundings,
    config: &Config,
    context: &Context,
) -> DrillOptions {
    let drill = &config.drill;
    let jobs = drill.jobs.as_ref().and_then(|jobs| NonZeroUsize::try_from(jobs.value).ok()).unwrap_or_else(cores);
    let of_this = |database: Option<&Name>| database.is_none() || database == reference.database.as_ref();
    DrillOptions {
        checks: CheckOptions {
            jobs: jobs.get(),
            rows: RowsOptions {
                budget: drill.budget.as_ref().map(|budget| budget.value),
                within: drill.prove_within.as_ref().map(|drills| drills.value.get()),
            },
            rpo: drill.rpo.as_ref().map(|rpo| rpo.value),
            shape: shape(drill),
            asserts: asserts(drill, of_this),
            ..CheckOptions::default()
        },
        smoke: smoke(config, of_this, context),
        jobs: jobs.get(),
        rto: drill.rto.as_ref().map(|rto| rto.value),
        timeout: Some(drill.timeout.as_ref().map_or(DRILL_TIMEOUT, |timeout| timeout.value)),
        keys: surroundings.keys.clone(),
        seal: surroundings.seal.clone(),
        run: Some(surroundings.run.clone()),
        cancel: context.cancel.clone(),
        ..DrillOptions::new(surroundings.scratch.clone(), host())
    }
}

/// The declared columns of a database, with the keys that are here.
pub(super) async fn encrypted(reference: &BackupRef, config: &Config, context: &Context) -> Result<EncryptedColumns> {
    let rows = match config.drill.encrypted_columns.as_ref().map(|columns| columns.value).unwrap_or_default() {
        HowMuch::None => return Ok(EncryptedColumns::default()),
        HowMuch::All => None,
        HowMuch::Rows(rows) => Some(rows.get()),
    };
    let is_there = |column: &&ColumnConfig| {
        column.database.as_ref().is_none_or(|name| Some(&name.value) == reference.database.as_ref())
    };
    let mut columns = Vec::new();
    for column in config.rotate.columns.iter().filter(is_there) {
        columns.push(rotate::encrypted_column(column, &config.rotate.keys, &context.environment).await);
    }
    Ok(EncryptedColumns { columns, rows, accept: rotate::accepted(config)? })
}

fn shape(drill: &DrillConfig) -> ShapeOptions {
    let usual = ShapeOptions::default();
    ShapeOptions {
        shrink: drill.max_shrink.as_ref().map_or(usual.shrink, |part| part.value.part()),
        least_bytes: drill.judge_from.as_ref().map_or(usual.least_bytes, |size| size.value.bytes()),
        ..usual
    }
}

fn asserts(drill: &DrillConfig, of_this: impl Fn(Option<&Name>) -> bool) -> Vec<Assert> {
    let wanted = drill.asserts.iter().filter(|assert| of_this(assert.database.as_ref().map(|name| &name.value)));
    let assert = |assert: &AssertConfig| Assert {
        name: assert.name.value.clone(),
        sql: assert.sql.value.clone(),
        expect: assert.expect.value.clone(),
        timeout: assert.timeout.as_ref().map_or(ASSERT_TIMEOUT, |timeout| timeout.value),
    };
    wanted.map(assert).collect()
}

fn smoke(config: &Config, of_this: impl Fn(Option<&Name>) -> bool, context: &Context) -> Option<Smoke> {
    let smoke = config.drill.smoke.as_ref().filter(|smoke| of_this(smoke.database.as_ref().map(|name| &name.value)))?;
    let timeout = smoke.timeout.as_ref().map_or(SMOKE_TIMEOUT, |timeout| timeout.value);
    let environment = context.environment.for_operators_program(&config.secret_variables());
    Some(Smoke { command: smoke.command.value.clone(), timeout, environment })
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

const DRILL_TIMEOUT: Duration = Duration::from_secs(12 * 3600);
const ASSERT_TIMEOUT: Duration = Duration::from_secs(60);
const SMOKE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
