//! `lifeboat restore --replace`.

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_backup::restore::{
    Connected, KeptDatabase, ReplaceOptions, ReplacePlan, ReplaceSummary, SafetyBackup, plan_replace, replace,
};
use lifeboat_backup::{BackupOptions, BackupRef, RestoreOptions};
use lifeboat_core::store::Store;
use lifeboat_core::{Kind, Result, RunId};
use serde_json::json;

use super::confirm::confirm;
use crate::cli::RestoreArgs;
use crate::commands::{Context, Named, backup};
use crate::config::{DatabaseUrl, env_vars};
use crate::exit::Exit;
use crate::output::table::facts;
use crate::output::{Outcome, units};

/// Puts a backup in the place of the target.
///
/// # Errors
/// [`Kind::Policy`] with every reason, also when nobody confirms it; those of the library.
pub(super) async fn run(args: &RestoreArgs, target: &DatabaseUrl, context: &Context) -> Result<Outcome> {
    let Named { reference, store, keys } =
        context.backup(args.backup.as_deref().unwrap_or_default(), args.open).await?;
    let live = super::settings(target, context).await?;
    let restore = RestoreOptions { keys, ..super::options(args, context) };
    let options = options(args, restore, &reference, &store, context).await?;
    let monitor = context.monitor.clone();
    let plan = Box::pin(plan_replace(&store, &reference, &live, &options, monitor.clone())).await?;
    if args.dry_run {
        return Ok(planned(&plan));
    }
    plan.check()?;
    confirm(&plan_text(&plan), &plan.database, &args.replace, context).await?;
    // The one that was looked at: by now there may be a newer one.
    let reference: BackupRef = plan.restore.backup.parse()?;
    let options = ReplaceOptions { confirmed: Some(plan.pins.clone()), ..options };
    let summary = Box::pin(replace(&store, &reference, &live, &options, monitor)).await?;
    Ok(Outcome::success(summary_text(&summary), json!({"applied": true, "plan": plan, "summary": summary})))
}

async fn options(
    args: &RestoreArgs,
    restore: RestoreOptions,
    reference: &BackupRef,
    store: &Store,
    context: &Context,
) -> Result<ReplaceOptions> {
    let safety = if args.replace.no_safety_backup { None } else { Some(safety(reference, store, context).await?) };
    let run = RunId::generate(Timestamp::now())?;
    let (ignore_disk, unproven_rows) = (args.replace.ignore_disk, args.replace.unproven_rows);
    Ok(ReplaceOptions { restore, ignore_disk, unproven_rows, ..ReplaceOptions::new(run, safety) })
}

/// As the nightly backup of that database is taken, as far as it is configured here. A host that only opens backups seals this one
/// with the keys that it opens them with.
async fn safety(reference: &BackupRef, store: &Store, context: &Context) -> Result<SafetyBackup> {
    let config = context.config(context.global.reading())?;
    let seal = config.encryption.report_keys(&context.environment).await.map_err(|error| {
        let hint = error.help().map(|hint| format!("{hint}; ")).unwrap_or_default();
        error.while_doing("seal the safety backup").hint(format!("{hint}or leave it out with --no-safety-backup"))
    })?;
    let seal = seal.map(Arc::new);
    if let Some(warning) = config.encryption.untrusted_warning(seal.as_deref()) {
        context.job().warn(warning);
    }
    let configured = config.databases.iter().find(|database| Some(&database.name.value) == reference.database.as_ref());
    let configured = configured.and_then(|database| database.tools_dir.as_ref()).map(|folder| folder.value.clone());
    let tools_dir = configured.or_else(|| context.environment.var(env_vars::TOOLS_DIR).map(Into::into));
    Ok(SafetyBackup { options: BackupOptions { seal, ..backup::options(&config, store, context) }, tools_dir })
}

/// One that would be refused ends as the refusal would.
fn planned(plan: &ReplacePlan) -> Outcome {
    let exit = if plan.refusals.is_empty() { Exit::Success } else { Exit::Failed(Kind::Policy) };
    let text = plan_text(plan) + &refusals_text(&plan.refusals, &plan.hints) + super::NOTHING_CHANGED;
    Outcome { text, json: json!({"dry_run": true, "plan": plan}), exit }
}

fn plan_text(plan: &ReplacePlan) -> String {
    let restore = &plan.restore;
    let mut lines = vec![
        ("replace", format!("{}{}", plan.database, in_size(plan.database_bytes))),
        (
            "by",
            format!(
                "{}: {}, {}",
                restore.backup,
                units::counted(restore.rows, "row"),
                units::counted(restore.tables as u64, "table")
            ),
        ),
        ("before", safety_text(plan)),
        ("beside", beside_text(plan)),
        (
            "then",
            format!(
                "{}; end {}; swap the names in one transaction",
                if plan.proves_rows {
                    "compare every row with the backup"
                } else {
                    "compare nothing, for its rows have no fingerprints"
                },
                sessions_text(&plan.connected)
            ),
        ),
        ("kept", format!("the old database as {}, until you drop it or --undo-replace", plan.kept_as)),
        (
            "as it is",
            "owner, privileges, settings, comment, connection limit, tablespace, locale: those of the live database"
                .to_owned(),
        ),
        ("disk", disk_text(plan)),
    ];
    if !restore.roles.is_empty() {
        lines.push(("roles", format!("{}, to be created", restore.roles.join(", "))));
    }
    if !plan.leftovers.is_empty() {
        lines.push(("dropped", format!("{}, which killed runs left", plan.leftovers.join(", "))));
    }
    lines.extend(plan.kept.iter().map(|kept| ("stays", kept_text(kept))));
    facts(&lines) + &notes_text(&plan.notes)
}

fn safety_text(plan: &ReplacePlan) -> String {
    match &plan.safety {
        Some(safety) => format!("a safety backup as {}, class safety, in {}", safety.database, safety.store),
        None => "no safety backup".to_owned(),
    }
}

fn beside_text(plan: &ReplacePlan) -> String {
    let name = &plan.stand_in;
    if plan.goes_on {
        format!("{name}, which an earlier run restored from this backup")
    } else {
        format!("restore into {name}")
    }
}

fn disk_text(plan: &ReplacePlan) -> String {
    let needed = format!("about {} needed", units::size(plan.disk.needed_bytes));
    match (plan.disk.free_bytes, plan.disk.freed_bytes) {
        (Some(free), 0) => format!("{needed}, {} free", units::size(free)),
        (Some(free), freed) => {
            format!("{needed}, {} free and {} of what killed runs left", units::size(free), units::size(freed))
        }
        (None, _) => format!("{needed}; what is free is not known"),
    }
}

pub(super) fn in_size(bytes: Option<u64>) -> String {
    bytes.map(|bytes| format!(", {}", units::size(bytes))).unwrap_or_default()
}

pub(super) fn kept_text(kept: &KeptDatabase) -> String {
    let since = kept.replaced_at.map(|at| format!(", replaced {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    format!("{}{}{}", kept.name, in_size(kept.bytes), since.unwrap_or_default())
}

/// `3 sessions (app: web 2, app: worker 1)`.
pub(super) fn sessions_text(connected: &[Connected]) -> String {
    let all = units::counted(connected.iter().map(|it| it.sessions).sum(), "session");
    let each = |it: &Connected| {
        let application = if it.application.is_empty() { "unnamed" } else { &it.application };
        format!("{}: {application} {}", it.role, it.sessions)
    };
    let each: Vec<_> = connected.iter().map(each).collect();
    if each.is_empty() { all } else { format!("{all} ({})", each.join(", ")) }
}

pub(super) fn notes_text(notes: &[String]) -> String {
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}

pub(super) fn refusals_text(refusals: &[String], hints: &[String]) -> String {
    let refusals = refusals.iter().zip(hints);
    refusals.map(|(why, hint)| format!("would be refused: {why}\n  hint: {hint}\n")).collect()
}

fn summary_text(summary: &ReplaceSummary) -> String {
    let mut text = summary.restore.as_ref().map(super::summary_text).unwrap_or_default();
    text += &format!(
        "{} is now what {} holds; {} ended, the swap took {}\n",
        summary.database,
        summary.backup,
        if summary.ended_sessions == 1 {
            "1 session was".to_owned()
        } else {
            format!("{} sessions were", units::count(summary.ended_sessions))
        },
        units::seconds(summary.swap_seconds),
    );
    if let Some(safety) = &summary.safety_backup {
        text += &format!("The database as it was is in the store as {safety}.\n");
    }
    text + &format!(
        "It is kept as {0}. To have it back: lifeboat restore --into … --undo-replace --kept {0}\nWhen nobody needs it any more: {1};\n",
        summary.kept_as, summary.drop_old
    )
}
