//! `lifeboat restore`.

mod confirm;
mod replace;
mod undo;

use std::time::Duration;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::restore::{LeftOut, RestorePlan, Selection, plan, plan_file};
use lifeboat_backup::{MissingRoles, RestoreOptions, RestoreSummary, restore, restore_file};
use lifeboat_core::{Error, Kind, Result};
use serde_json::json;

use super::{Context, Named, file, source};
use crate::cli::{RestoreArgs, Roles};
use crate::config::{DatabaseUrl, Misfit, Setting as _};
use crate::exit::Exit;
use crate::output::table::facts;
use crate::output::{Outcome, units};

/// Restores a backup into the target.
///
/// # Errors
/// [`Kind::Usage`] for a target that is neither a reference nor a connection string; those of the library.
pub(super) async fn run(args: &RestoreArgs, context: &Context) -> Result<Outcome> {
    let target = DatabaseUrl::from_text(&args.into).map_err(refused)?;
    if args.replace.undo_replace {
        return undo::run(args, &target, context).await;
    }
    if args.replace.replace {
        refuse_file(args)?;
        return replace::run(args, &target, context).await;
    }
    if let Some(from) = &args.from {
        return of_file(from, args, &target, context).await;
    }
    let Named { reference, store, keys } =
        context.backup(args.backup.as_deref().unwrap_or_default(), args.open).await?;
    let settings = settings(&target, context).await?;
    let options = RestoreOptions { keys, ..options(args, context) };
    let monitor = context.monitor.clone();
    if args.dry_run {
        return Ok(planned(&plan(&store, &reference, &settings, &options, monitor).await?));
    }
    let summary = Box::pin(restore(&store, &reference, &settings, &options, monitor)).await?;
    Ok(Outcome::success(summary_text(&summary), json!(summary)))
}

/// A file has no fingerprints until it was read, and the safety backup needs a store: it becomes a backup first.
fn refuse_file(args: &RestoreArgs) -> Result<()> {
    let Some(from) = &args.from else { return Ok(()) };
    let doing = "put a file in the place of a database: only backups of the store can be";
    let hint = format!(
        "make one of it first: lifeboat import {from} --store … --name NAME; then lifeboat restore NAME/ID --into … --replace"
    );
    Err(Error::new(Kind::Usage, doing).hint(hint))
}

async fn of_file(from: &str, args: &RestoreArgs, target: &DatabaseUrl, context: &Context) -> Result<Outcome> {
    let foreign = file::options(&args.file, args.trust_script, context).await?;
    let settings = settings(target, context).await?;
    let (options, monitor) = (options(args, context), context.monitor.clone());
    let given = file::file(from, context).await?;
    if args.dry_run {
        return Ok(planned(&Box::pin(plan_file(given, &settings, &options, &foreign, monitor)).await?));
    }
    let summary = Box::pin(restore_file(given, &settings, &options, &foreign, monitor)).await?;
    let text = if args.trust_script { run_by_psql(&summary) } else { summary_text(&summary) };
    Ok(Outcome::success(text, json!(summary)))
}

/// Without a number of rows: nobody counted them.
fn run_by_psql(summary: &RestoreSummary) -> String {
    let (size, warnings) = (units::size(summary.sql_bytes), &summary.warnings);
    let warnings: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!("{}: {size} of SQL, run by psql in {}\n{warnings}", summary.backup, summary.target)
}

async fn settings(target: &DatabaseUrl, context: &Context) -> Result<ConnectionSettings> {
    let text = target.resolve(&context.environment).await?;
    source::settings(&text, &context.environment)
        .map_err(|error| error.while_doing("read the connection string of the target"))
}

fn options(args: &RestoreArgs, context: &Context) -> RestoreOptions {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    RestoreOptions {
        create: args.create,
        select: Selection { schemas: args.schema.clone(), tables: args.table.clone(), data_only: args.data_only },
        jobs: args.jobs.map_or_else(cores, std::num::NonZeroUsize::get),
        roles: match args.roles {
            None => MissingRoles::Refuse,
            Some(Roles::Create) => MissingRoles::Create,
            Some(Roles::Stub) => MissingRoles::Stub,
            Some(Roles::Skip) => MissingRoles::Skip,
        },
        cancel: context.cancel.clone(),
        ..RestoreOptions::default()
    }
}

/// A restore that would be refused ends as the refusal would.
fn planned(plan: &RestorePlan) -> Outcome {
    let exit = if plan.refusals.is_empty() { Exit::Success } else { Exit::Failed(Kind::Policy) };
    Outcome { text: plan_text(plan), json: json!({"dry_run": true, "plan": plan}), exit }
}

fn plan_text(plan: &RestorePlan) -> String {
    let mut lines = vec![
        ("backup", plan.backup.clone()),
        ("target", format!("{}{}", plan.target, if plan.creates { ", to be created" } else { "" })),
        ("rows", format!("{} in {}", units::count(plan.rows), units::counted(plan.tables as u64, "table"))),
        ("size", format!("{} to fetch, {} of SQL", units::size(plan.fetched_bytes), units::size(plan.sql_bytes))),
    ];
    lines.extend(
        plan.database_bytes.map(|bytes| ("disk", format!("{} at the source, indexes included", units::size(bytes)))),
    );
    if !plan.roles.is_empty() {
        lines.push(("roles", format!("{}, to be created", plan.roles.join(", "))));
    }
    lines.push(("memory", format!("{} at most", units::size(plan.memory_bytes))));
    let refusals = replace::refusals_text(&plan.refusals, &plan.hints);
    let left_out = list(WOULD_BE_LEFT_OUT, plan.left_out.iter().map(left_out));
    format!("{}{left_out}{refusals}{NOTHING_CHANGED}", facts(&lines))
}

fn summary_text(summary: &RestoreSummary) -> String {
    let time = units::duration(Duration::try_from_secs_f64(summary.seconds).unwrap_or_default());
    let mut text = format!(
        "{}: {} in {}, {} of SQL, restored into {} in {time}\n",
        summary.backup,
        units::counted(summary.rows, "row"),
        units::counted(summary.tables as u64, "table"),
        units::size(summary.sql_bytes),
        summary.target,
    );
    text += &list(WAS_LEFT_OUT, summary.left_out.iter().map(left_out));
    text += &list("What was needed and there already was used as it is:", summary.used.iter().cloned());
    text +=
        &list("These were made without rows, for what was selected needs them:", summary.without_rows.iter().cloned());
    text += &list(
        "These roles can log in and have no password yet; set one for each:",
        summary.passwords_to_set.iter().cloned(),
    );
    text
}

/// A line for each under a title, and nothing for nothing.
fn list(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() { lines } else { format!("{title}\n{lines}") }
}

fn left_out(left_out: &LeftOut) -> String {
    format!("{}: {}", left_out.what, left_out.why)
}

const NOTHING_CHANGED: &str = "\nNothing was changed: this was a dry run.\n";
const WAS_LEFT_OUT: &str = "This was left out (--dry-run --json prints the statements that make it):";
const WOULD_BE_LEFT_OUT: &str = "This would be left out (with --json: the statements that make it, too):";

fn refused(misfit: Misfit) -> Error {
    let error = Error::new(Kind::Usage, format!("use --into as the target: {}", misfit.message));
    match misfit.help {
        Some(help) => error.hint(help),
        None => error,
    }
}
