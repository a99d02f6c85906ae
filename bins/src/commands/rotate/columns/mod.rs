//! `lifeboat rotate columns`.

mod backups;
mod bound;
mod confirm;
mod detect;
mod keys;
mod place;
mod retired;
mod text;

use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::sweep::{self, Finalized, Phase, SweepOptions};
use serde_json::{Value, json};

pub(in crate::commands) use self::keys::{encrypted_column, format};
pub(in crate::commands) use self::place::accepted;
use self::place::{Needs, Place, Scene};
use self::retired::retired;
use crate::cli::{ColumnsArgs, DetectArgs, FinalizeArgs, RotateColumns, RunArgs, WhereArgs};
use crate::commands::Context;
use crate::exit::Exit;
use crate::output::Outcome;

/// Rotates keys over the columns of databases.
///
/// # Errors
/// [`Kind::Config`] when something is not said; what the library's function returns.
pub(super) async fn run(command: &RotateColumns, context: &Context) -> Result<Outcome> {
    match command {
        RotateColumns::Detect(args) => Box::pin(detect(args, context)).await,
        RotateColumns::Plan(args) => Box::pin(plan(args, context)).await,
        RotateColumns::Run(args) if args.dry_run => Box::pin(rotate(args, context)).await,
        RotateColumns::Run(args) => Box::pin(rotate(args, context)).await.map_err(goes_on),
        RotateColumns::Status(args) => Box::pin(status(args, context)).await,
        RotateColumns::Verify(args) => Box::pin(verify(args, context)).await,
        RotateColumns::Finalize(args) => Box::pin(finalize(args, context)).await.map_err(goes_on),
        RotateColumns::Rollback(args) => Box::pin(rollback(args, context)).await.map_err(goes_on),
    }
}

/// An interruption with what is done after it.
fn goes_on(error: Error) -> Error {
    match error.kind() {
        Kind::Cancelled => error.hint("the same command goes on from here; until it is through, both keys are needed"),
        _ => error,
    }
}

/// `detect`.
///
/// # Errors
/// Those of [`run`].
pub(super) async fn detect(args: &DetectArgs, context: &Context) -> Result<Outcome> {
    detect::run(args, context).await
}

async fn plan(args: &ColumnsArgs, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context, args.flags(&context.global), &args.place, Needs::BothKeys).await?;
    let mut told = Told::of(scene.places.len());
    for place in &scene.places {
        let plan = sweep::plan(&place.settings, &place.targets, &scene.options(place)?, &context.job()).await;
        let Some(plan) = told.unless_failed(place, plan)? else { continue };
        if plan.refusals().next().is_some() {
            told.failed(Kind::Policy);
        }
        told.add(place, text::plan(&plan), json!({"plan": plan}));
    }
    Ok(told.outcome())
}

async fn rotate(args: &RunArgs, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context, args.flags(&context.global), &args.columns.place, Needs::BothKeys).await?;
    for place in &scene.places {
        confirm::probe(&place.targets)?;
    }
    let mut expected_new = args.confirm_new.clone();
    if !args.dry_run && expected_new.is_empty() {
        expected_new.extend(confirm::ask(&scene).await?);
    }
    let mut told = Told::of(scene.places.len());
    for place in &scene.places {
        let options = SweepOptions {
            dry_run: args.dry_run,
            cut_over: args.cut_over,
            expected_new: expected_new.clone(),
            ..scene.options(place)?
        };
        let run = sweep::run(&place.settings, &place.targets, &options, &context.job()).await;
        let Some(summary) = told.unless_failed(place, run)? else { continue };
        // A dry run leaves everything to do: what counts is whether all of it can be done.
        let opens = summary.targets.iter().all(|target| target.failures.unaccepted() == 0);
        if !(summary.is_clean() || args.dry_run && opens) {
            told.failed(Kind::Partial);
        }
        let unmatched = scene
            .unmatched(summary.targets.iter().map(|target| (&target.table, &*target.columns, &target.failures)))?;
        let text = text::summary(&summary, args.cut_over) + &text::unmatched(&unmatched);
        told.add(place, text, json!({"summary": summary, "accept_list_unmatched": unmatched}));
    }
    Ok(told.outcome())
}

async fn status(args: &WhereArgs, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context, context.global.flags(), args, Needs::Database).await?;
    let mut told = Told::of(scene.places.len());
    for place in &scene.places {
        let status = sweep::status(&place.settings, &context.job()).await;
        let Some(status) = told.unless_failed(place, status)? else { continue };
        told.add(place, text::status(&status), json!({"status": status}));
    }
    Ok(told.outcome())
}

async fn verify(args: &ColumnsArgs, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context, args.flags(&context.global), &args.place, Needs::NewKey).await?;
    let mut told = Told::of(scene.places.len());
    for place in &scene.places {
        let options = scene.options(place)?;
        let found = sweep::verify(&place.settings, &place.targets, &options, &context.job()).await;
        let Some(found) = told.unless_failed(place, found)? else { continue };
        let opened: u64 = found.targets.iter().map(|target| target.counts.opened()).sum();
        let is_closed = found.targets.iter().any(|target| target.failures.unaccepted() > 0);
        if !found.passed() {
            told.failed(if opened == 0 && is_closed { Kind::WrongKey } else { Kind::Partial });
        }
        let unmatched =
            scene.unmatched(found.targets.iter().map(|target| (&target.table, &*target.columns, &target.failures)))?;
        let text = text::verification(&found, place.has_old_keys) + &text::unmatched(&unmatched);
        let json = json!({
            "passed": found.passed(),
            "verification": found,
            "old_keys_at_hand": place.has_old_keys,
            "accept_list_unmatched": unmatched
        });
        told.add(place, text, json);
    }
    Ok(told.outcome())
}

async fn finalize(args: &FinalizeArgs, context: &Context) -> Result<Outcome> {
    let flags = args.columns.flags(&context.global);
    let scene = Scene::set(context, flags, &args.columns.place, Needs::BothKeys).await?;
    let (mut told, mut over) = (Told::of(scene.places.len()), Vec::new());
    for place in &scene.places {
        let options = scene.options(place)?;
        let (text, json) = match finalized_before(&scene, place, &over).await {
            // So that a command can be given again that was refused for one database, or whose answer was lost.
            Some(before) => before,
            None => {
                let finalized = sweep::finalize(&place.settings, &place.targets, &options, &context.job()).await;
                let Some(finalized) = told.unless_failed(place, finalized)? else { continue };
                farewell(&scene, place, &over, &finalized).await
            }
        };
        told.add(place, text, json);
        over.push(place);
    }
    Ok(told.outcome())
}

/// What is said of a database whose rotations are over already.
async fn finalized_before(scene: &Scene<'_>, place: &Place, over: &[&Place]) -> Option<(String, Value)> {
    let status = sweep::status(&place.settings, &scene.context.job()).await.ok()?;
    let rotations = place.all_in(Phase::Finalized, &status)?;
    let at = rotations.iter().map(|rotation| rotation.updated).max()?;
    let old_keys: Vec<_> = rotations.iter().map(|rotation| rotation.old_key.clone()).collect();
    let backups = backups::before(scene, place, at).await;
    let retired = retired(scene, place, over, &old_keys, Some(&status)).await;
    let text = text::finalized_before(at, &retired) + &backups.text();
    Some((text, json!({"finalized_before": true, "old_keys": retired, "backups": backups})))
}

/// What is said of a rotation that is over. It stays so: nothing that fails from here on may hide it.
async fn farewell(scene: &Scene<'_>, place: &Place, over: &[&Place], finalized: &Finalized) -> (String, Value) {
    let job = scene.context.job();
    let backups = backups::before(scene, place, finalized.at).await;
    let status = sweep::status(&place.settings, &job).await;
    let status =
        status.inspect_err(|error| job.warn(&format!("could not look for other rotations: {}", error.chain())));
    let old_keys: Vec<_> = finalized.targets.iter().map(|target| target.old_key.clone()).collect();
    let proofs = finalized.targets.iter().map(|target| &target.verification);
    let unmatched = scene.unmatched(proofs.map(|proof| (&proof.table, &*proof.columns, &proof.failures)));
    let unmatched = unmatched.unwrap_or_default();
    let retired = retired(scene, place, over, &old_keys, status.ok().as_ref()).await;
    let text = text::finalized(finalized, &retired) + &text::unmatched(&unmatched) + &backups.text();
    let json = json!({
        "finalized": finalized,
        "old_keys": retired,
        "backups": backups,
        "accept_list_unmatched": unmatched
    });
    (text, json)
}

async fn rollback(args: &ColumnsArgs, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context, args.flags(&context.global), &args.place, Needs::BothKeys).await?;
    let mut told = Told::of(scene.places.len());
    let before = back_before(&scene, context).await;
    for (place, is_back) in scene.places.iter().zip(before) {
        if is_back {
            told.add(place, "It was rolled back before.\n".to_owned(), json!({"rolled_back_before": true}));
            continue;
        }
        let back = sweep::rollback(&place.settings, &place.targets, &scene.options(place)?, &context.job()).await;
        let Some(summary) = told.unless_failed(place, back)? else { continue };
        if !summary.is_clean() {
            told.failed(Kind::Partial);
        }
        told.add(place, text::rolled_back(&summary), json!({"summary": summary}));
    }
    Ok(told.outcome())
}

/// Whether each database was rolled back already, while another was not: a command that failed for one can be given again.
async fn back_before(scene: &Scene<'_>, context: &Context) -> Vec<bool> {
    let mut before = Vec::new();
    for place in &scene.places {
        let status = sweep::status(&place.settings, &context.job()).await;
        before.push(status.is_ok_and(|status| place.is_in(Phase::RolledBack, &status)));
    }
    let are_all = before.iter().all(|is_back| *is_back);
    before.into_iter().map(|is_back| is_back && !are_all).collect()
}

/// What is said of one database after the other.
struct Told {
    several: bool,
    parts: Vec<(String, String)>,
    databases: Vec<Value>,
    exit: Exit,
}

impl Told {
    /// Nothing so far, of so many databases.
    fn of(databases: usize) -> Self {
        Self { several: databases > 1, parts: Vec::new(), databases: Vec::new(), exit: Exit::Success }
    }

    fn add(&mut self, place: &Place, text: String, mut json: Value) {
        json["database"] = json!(place.database.name.value);
        self.databases.push(json);
        self.parts.push((place.database.name.value.to_string(), text));
    }

    /// Not all of it went well. That only some rows did not open gives way to whatever else it was, and the first of these counts.
    fn failed(&mut self, kind: Kind) {
        if matches!(self.exit, Exit::Success | Exit::Failed(Kind::Partial)) {
            self.exit = Exit::Failed(kind);
        }
    }

    /// What was done, unless it failed. Where there are several databases, what was said of the others is told all the same.
    fn unless_failed<T>(&mut self, place: &Place, done: Result<T>) -> Result<Option<T>> {
        let error = match done {
            Err(error) if self.several && error.kind() != Kind::Cancelled => error,
            other => return other.map(Some),
        };
        let help = error.help().map(|help| format!("  {help}\n")).unwrap_or_default();
        let json = json!({"error": {"kind": error.kind().name(), "message": error.chain(), "hint": error.help()}});
        self.add(place, format!("failed: {}\n{help}", error.chain()), json);
        self.failed(error.kind());
        Ok(None)
    }

    fn outcome(self) -> Outcome {
        let part = |(name, text): (String, String)| if self.several { format!("{name}\n{text}") } else { text };
        let text = self.parts.into_iter().map(part).collect::<Vec<_>>().join("\n");
        Outcome { text, json: json!({"databases": self.databases}), exit: self.exit }
    }
}
