//! `lifeboat drill gc`.

use lifeboat_core::{Kind, Result};
use lifeboat_drill::scratch::{Collected, gc};
use serde_json::json;

use super::scratch;
use crate::cli::DrillGcArgs;
use crate::commands::{Context, demo};
use crate::exit::Exit;
use crate::output::Outcome;

/// Removes what killed drills have left, and killed demos.
///
/// # Errors
/// Those of the configuration, and of looking at the place.
pub(super) async fn run(args: &DrillGcArgs, context: &Context) -> Result<Outcome> {
    let config = context.config(args.flags(&context.global))?;
    let options = scratch::options(&config, &context.environment).await?;
    let mut collected = gc(&options, &context.job()).await?;
    let demos = demo::collect().await;
    collected.removed.extend(demos.removed);
    collected.left.extend(demos.left);
    let exit = if collected.left.is_empty() { Exit::Success } else { Exit::Failed(Kind::Failure) };
    Ok(Outcome { text: text(&collected), json: json!(collected), exit })
}

fn text(collected: &Collected) -> String {
    let removed = collected.removed.iter().map(|what| format!("removed {what}\n"));
    let alive = collected.alive.iter().map(|drill| format!("left alone: the drill {drill} is running\n"));
    let left = collected.left.iter().map(|what| format!("could not remove {what}\n"));
    let lines: String = removed.chain(alive).chain(left).collect();
    if lines.is_empty() { "nothing was left\n".to_owned() } else { lines }
}
