//! `lifeboat drill run`: one drill, or one of every database with a scorecard.

mod options;
mod scorecard;

use std::sync::Arc;

use lifeboat_backup::BackupRef;
use lifeboat_backup::archive::databases;
use lifeboat_backup::restore::is_safety;
use lifeboat_core::drill::Verdict;
use lifeboat_core::keys::{OpenKeys, SealKeys};
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Kind, Name, Result, RunId};
use lifeboat_drill::scratch::{ClusterOptions, ScratchOptions};
use lifeboat_drill::{DrillOptions, DrillReport, drill, not_begun, report};
use serde_json::json;

use super::{host, scratch};
use crate::cli::DrillRunArgs;
use crate::commands::{Context, reference};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Outcome, distinct_chain, error_text};
use options::{encrypted, options};
use scorecard::scorecard;

/// Drills what the arguments name. What keeps a drill from its first step is a verdict too, recorded where it is known of which
/// database and the store can be reached.
///
/// # Errors
/// [`Kind::Usage`] when they name nothing; [`Kind::Cancelled`]. Whatever else happens to a drill is its verdict.
pub(super) async fn run(args: &DrillRunArgs, context: &Context) -> Result<Outcome> {
    match Box::pin(prepare(args, context)).await {
        Ok(Prepared { config, store, references, surroundings }) => {
            let mut reports = Vec::new();
            for reference in references {
                let is_expected = is_of_every(args, context) || is_configured(&reference, &config);
                let report = one(&reference, is_expected, &surroundings, &config, &store, context);
                match Box::pin(report).await {
                    Err(error) if error.kind() == Kind::NotFound => return Ok(nothing_begun(&unknown(error), context)),
                    report => reports.push(report?),
                }
            }
            Ok(outcome(&reports))
        }
        Err(Unprepared { error, .. }) if matches!(error.kind(), Kind::Usage | Kind::Cancelled) => Err(error),
        Err(unprepared) => Ok(nothing_begun(&unprepared, context)),
    }
}

/// Why nothing is drilled, and what that says of the backups.
struct Unprepared {
    verdict: Verdict,
    error: Error,
}

impl From<Error> for Unprepared {
    fn from(error: Error) -> Self {
        Self { verdict: Verdict::Inconclusive, error }
    }
}

/// Of what is named there is no backup, and the store knows nothing of it.
fn unknown(error: Error) -> Unprepared {
    Unprepared { verdict: Verdict::Failed, error }
}

/// What is to be drilled.
struct Prepared {
    config: Config,
    store: Store,
    references: Vec<BackupRef>,
    /// Or what is wrong with them.
    surroundings: Result<Surroundings>,
}

async fn prepare(args: &DrillRunArgs, context: &Context) -> Result<Prepared, Unprepared> {
    let config = context.config(args.flags(&context.global))?;
    let store = config.store.open(&context.environment).await?;
    let references = drilled(args, context, &config, &store).await?;
    let surroundings = Surroundings::find(args, &config, context).await;
    Ok(Prepared { config, store, references, surroundings })
}

async fn one(
    reference: &BackupRef,
    is_expected: bool,
    surroundings: &Result<Surroundings>,
    config: &Config,
    store: &Store,
    context: &Context,
) -> Result<DrillReport> {
    let monitor = context.monitor.clone();
    let options = match surroundings {
        Ok(surroundings) => encrypted(reference, config, context).await.map(|encrypted| {
            let mut options = options(reference, surroundings, config, context);
            options.checks.encrypted = encrypted;
            options.is_expected = is_expected;
            options
        }),
        Err(error) => Err(Error::new(error.kind(), distinct_chain(error)).hint(error.help().unwrap_or(SEE_CONFIG))),
    };
    match options {
        Ok(options) => Box::pin(drill(store, reference, &options, monitor)).await,
        Err(why) => {
            let options = DrillOptions {
                is_expected,
                cancel: context.cancel.clone(),
                ..DrillOptions::new(ScratchOptions::Cluster(ClusterOptions::default()), host())
            };
            not_begun(store, reference, why, &options, monitor).await
        }
    }
}

/// The end of a run that did not come to know what to drill: without a backup it failed, else it found nothing out.
fn nothing_begun(Unprepared { verdict, error }: &Unprepared, context: &Context) -> Outcome {
    context.console.line(error_text(error, context.style.stderr_colour).trim_end());
    let reason = distinct_chain(error);
    Outcome {
        text: format!("{}: {reason}\nNo drill was begun, and none is recorded.\n", verdict.name().to_uppercase()),
        json: json!({
            "verdict": verdict,
            "reasons": [reason],
            "hint": error.help(),
            "error_kind": error.kind().name(),
            "report": null,
        }),
        exit: Exit::from(*verdict),
    }
}

/// What the drills of one run have in common.
struct Surroundings {
    scratch: ScratchOptions,
    seal: Option<Arc<SealKeys>>,
    keys: OpenKeys,
    run: RunId,
}

impl Surroundings {
    async fn find(args: &DrillRunArgs, config: &Config, context: &Context) -> Result<Self> {
        Ok(Self {
            scratch: scratch::options(config, &context.environment).await?,
            seal: config.encryption.report_keys(&context.environment).await.map_err(bring_keyring)?.map(Arc::new),
            keys: config.encryption.open_keys(args.open.allowed(), &context.environment).await?,
            run: RunId::generate(jiff::Timestamp::now())?,
        })
    }
}

/// A new keyring, which is what others are told to make, opens no backup that is there.
fn bring_keyring(error: Error) -> Error {
    let is_missing = error.help().is_some_and(|help| help.contains("key generate --id"));
    if is_missing { error.hint(BRING_KEYRING) } else { error }
}

/// The backups that are to be drilled, each with its database.
async fn drilled(
    args: &DrillRunArgs,
    context: &Context,
    config: &Config,
    store: &Store,
) -> Result<Vec<BackupRef>, Unprepared> {
    if !is_of_every(args, context) {
        return Ok(vec![named(args.backup.as_deref().unwrap_or(LATEST), context, config)?]);
    }
    let mut names: Vec<Name> = config.databases.iter().map(|database| database.name.value.clone()).collect();
    if names.is_empty() {
        // What was replaced is no database any more.
        names = databases(store, &context.job()).await?.into_iter().filter(|name| !is_safety(name)).collect();
    }
    if names.is_empty() {
        let why = "find a database to drill: none is configured, and the store has none";
        return Err(Unprepared { verdict: Verdict::Failed, error: Error::new(Kind::NotFound, why) });
    }
    names.into_iter().map(|name| format!("{name}/{LATEST}").parse().map_err(Unprepared::from)).collect()
}

/// Whether every database is meant: a name narrows them to that one, also to one that is not configured.
fn is_of_every(args: &DrillRunArgs, context: &Context) -> bool {
    args.all && context.global.name.is_none()
}

fn named(text: &str, context: &Context, config: &Config) -> Result<BackupRef> {
    let reference = reference::reference(text, context.global.name.as_deref(), config)?;
    let only = || (config.databases.len() == 1).then(|| config.databases[0].name.value.clone());
    let database = reference.database.clone().or_else(only).ok_or_else(|| {
        Error::new(Kind::Usage, format!("drill {text}: it names no database")).hint("write DATABASE/latest, or --all")
    })?;
    Ok(BackupRef { database: Some(database), ..reference })
}

/// Whether the configuration says that this database is backed up.
fn is_configured(reference: &BackupRef, config: &Config) -> bool {
    config.databases.iter().any(|database| Some(&database.name.value) == reference.database.as_ref())
}

/// The worst verdict is the run's.
fn outcome(reports: &[DrillReport]) -> Outcome {
    let is = |verdict| reports.iter().any(|report: &DrillReport| report.verdict == verdict);
    let verdict = [Verdict::Failed, Verdict::Inconclusive].into_iter().find(|verdict| is(*verdict));
    let verdict = verdict.unwrap_or(Verdict::Passed);
    let mut text: Vec<String> = reports.iter().map(report::text).collect();
    if reports.len() > 1 {
        text.push(scorecard(reports));
    }
    let json = match reports {
        [only] => json!({"verdict": verdict, "report": only}),
        several => json!({"verdict": verdict, "reports": several}),
    };
    Outcome { text: text.join("\n"), json, exit: Exit::from(verdict) }
}

const BRING_KEYRING: &str = "bring the keyring that opens the backups to this host, and name it by --keyring or `keyring` in [encryption]: docs/drill.md";
const LATEST: &str = "latest";
const SEE_CONFIG: &str = "see `lifeboat config check`";
