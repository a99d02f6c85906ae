//! `lifeboat drill gc`.

use std::sync::Arc;

use lifeboat_core::clock::SystemClock;
use lifeboat_core::{DrillId, Kind, Name, Result};
use lifeboat_drill::scratch::{Collected, gc};
use lifeboat_drill::{Finder, end_killed};
use serde_json::json;

use super::{host, scratch};
use crate::cli::DrillGcArgs;
use crate::commands::{Context, demo};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::Outcome;

/// Removes what killed drills have left, and killed demos, and records in the store that they were killed. A store that cannot be
/// reached keeps nothing from being removed.
///
/// # Errors
/// Those of the configuration, and of looking at the place.
pub(super) async fn run(args: &DrillGcArgs, context: &Context) -> Result<Outcome> {
    let config = context.config(args.flags(&context.global))?;
    let options = scratch::options(&config, &context.environment).await?;
    let job = context.job();
    let mut collected = gc(&options, &job).await?;
    let recorded = recorded(&collected.killed, &config, context).await.unwrap_or_else(|error| {
        let drills: Vec<_> = collected.killed.iter().map(DrillId::as_str).collect();
        job.warn(&format!("could not record that {} was killed: {}", drills.join(", "), error.chain()));
        Vec::new()
    });
    let demos = demo::collect().await;
    collected.removed.extend(demos.removed);
    collected.left.extend(demos.left);
    let exit = if collected.left.is_empty() { Exit::Success } else { Exit::Failed(Kind::Failure) };
    let drills: Vec<_> = recorded.iter().map(|(database, drill)| format!("{database}/{drill}")).collect();
    let mut json = json!(collected);
    json["recorded"] = json!(drills);
    Ok(Outcome { text: text(&collected, &drills), json, exit })
}

/// Records in the configured store that these drills were killed. Without the keys there is a record of it, and no report.
async fn recorded(killed: &[DrillId], config: &Config, context: &Context) -> Result<Vec<(Name, DrillId)>> {
    if killed.is_empty() {
        return Ok(Vec::new());
    }
    let store = config.store.open(&context.environment).await?;
    let seal = config.encryption.report_keys(&context.environment).await?.map(Arc::new);
    let finder = Finder { host: host(), seal, clock: Arc::new(SystemClock) };
    Box::pin(end_killed(killed, &finder, &store, &context.job())).await
}

fn text(collected: &Collected, recorded: &[String]) -> String {
    let removed = collected.removed.iter().map(|what| format!("removed {what}\n"));
    let alive = collected.alive.iter().map(|drill| format!("left alone: the drill {drill} is running\n"));
    let left = collected.left.iter().map(|what| format!("could not remove {what}\n"));
    let recorded = recorded.iter().map(|drill| format!("recorded that the drill {drill} was killed\n"));
    let lines: String = removed.chain(recorded).chain(alive).chain(left).collect();
    if lines.is_empty() { "nothing was left\n".to_owned() } else { lines }
}
