//! `lifeboat restore --undo-replace`.

use jiff::Timestamp;
use lifeboat_backup::restore::{UndoOptions, UndoPlan, UndoSummary, plan_undo, undo_replace};
use lifeboat_core::{Kind, Result, RunId};
use serde_json::json;

use super::confirm::confirm;
use super::replace::{in_size, kept_text, notes_text, refusals_text, sessions_text};
use crate::cli::RestoreArgs;
use crate::commands::Context;
use crate::config::DatabaseUrl;
use crate::exit::Exit;
use crate::output::table::facts;
use crate::output::{Outcome, units};

/// Gives the target's name back to the database that had it.
///
/// # Errors
/// [`Kind::NotFound`] when none is kept, [`Kind::Policy`] when nobody confirms it; those of the library.
pub(super) async fn run(args: &RestoreArgs, target: &DatabaseUrl, context: &Context) -> Result<Outcome> {
    let live = super::settings(target, context).await?;
    let run = RunId::generate(Timestamp::now())?;
    let kept = args.replace.kept.clone();
    let options = UndoOptions { kept, cancel: context.cancel.clone(), ..UndoOptions::new(run) };
    let plan = Box::pin(plan_undo(&live, &options, context.monitor.clone())).await?;
    if args.dry_run {
        return Ok(planned(&plan));
    }
    plan.check()?;
    confirm(&plan_text(&plan), &plan.database, &args.replace, context).await?;
    let options = UndoOptions { confirmed: Some(plan.pins.clone()), ..options };
    let summary = Box::pin(undo_replace(&live, &options, context.monitor.clone())).await?;
    Ok(Outcome::success(summary_text(&summary), json!({"applied": true, "plan": plan, "summary": summary})))
}

fn planned(plan: &UndoPlan) -> Outcome {
    let exit = if plan.refusals.is_empty() { Exit::Success } else { Exit::Failed(Kind::Policy) };
    let text = plan_text(plan) + &refusals_text(&plan.refusals, &plan.hints) + super::NOTHING_CHANGED;
    Outcome { text, json: json!({"dry_run": true, "plan": plan}), exit }
}

fn plan_text(plan: &UndoPlan) -> String {
    let mut lines = vec![
        ("comes back", kept_text(&plan.comes_back)),
        ("as", plan.target.clone()),
        ("first", format!("end {}; swap the names in one transaction", sessions_text(&plan.connected))),
        ("kept", format!("the present {}{} as {}", plan.database, in_size(plan.database_bytes), plan.kept_as)),
    ];
    if !plan.taken_over.is_empty() {
        lines.push(("stays so", format!("{}: changed since, and the name's", plan.taken_over.join(", "))));
    }
    facts(&lines) + &notes_text(&plan.notes)
}

fn summary_text(summary: &UndoSummary) -> String {
    format!(
        "{} is again what was kept as {}; the swap took {}\nThe other one is kept as {}. When nobody needs it any more: {};\n",
        summary.database,
        summary.came_back,
        units::seconds(summary.swap_seconds),
        summary.kept_as,
        summary.drop_old
    )
}
