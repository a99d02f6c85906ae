//! Has psql run a script that its operator trusts, as it is.
//!
//! Invariant: psql sees the end of its input only when the whole script was handed to it, every byte of it proven: psql commits
//! what it got when its input ends early.

use std::io::PipeWriter;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt, counted};
use tokio::process::{Child, Command};

use super::appeared::Before;
use super::psql_words::{Words, listen};
use super::target::{Target, or_discard};
use super::{RestoreOptions, RestorePlan, RestoreSummary, describe, preflight, refuse, user_objects};
use crate::archive::{cat, find};
use crate::backup::Spooled;
use crate::foreign::ForeignOptions;
use crate::postgres::{ClientFiles, ConnectionSettings, ToolCall};

/// What a script would be run in; what it would do, nobody knows.
pub(super) async fn plan(
    spooled: &Spooled,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<RestorePlan> {
    let archive = find(&spooled.store, &spooled.keys, job, &spooled.reference).await?;
    let preflight = job.run(preflight::check_for_script(&archive, target, options, job)).await?;
    Ok(describe(&archive, target, options, None, preflight))
}

pub(super) async fn run(
    spooled: &Spooled,
    wanted: &ConnectionSettings,
    options: &RestoreOptions,
    foreign: &ForeignOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestoreSummary> {
    let clock = Instant::now();
    let job = Job::new(monitor, options.cancel.clone());
    let archive = find(&spooled.store, &spooled.keys, &job, &spooled.reference).await?;
    let preflight = job.run(preflight::check_for_script(&archive, wanted, options, &job)).await?;
    if !preflight.refusals.is_empty() {
        return Err(refuse(&options.called(&archive), wanted, &preflight));
    }
    let major = preflight.server_version_num / 10_000;
    let (folder, _) = crate::tools::find(major, foreign.tools_dir.as_deref()).await?;
    let target = Target::prepare(&archive, wanted, options, &preflight, &job).await?;
    let running = async {
        let files = ClientFiles::write(&target.settings, spooled.folder())?;
        let before = Before::look(&target, &job).await?;
        let objects = objects(&target, &job).await?;
        let psql = Psql::start(&folder.join("psql"), &files)?;
        job.step("run the script by psql");
        let ran = psql.feed(spooled, &job).await.map_err(|error| explained(error, target.is_created()));
        let made = before.tell(&target, &job).await;
        ran?;
        check_is_filled(&target, objects, wanted, &made?, &job).await?;
        target.publish(&job).await
    };
    or_discard(&target, &job, Box::pin(running)).await?;
    Ok(RestoreSummary {
        backup: options.called(&archive),
        target: wanted.display(),
        tables: 0,
        rows: 0,
        sql_bytes: archive.index.script_bytes,
        seconds: clock.elapsed().as_secs_f64(),
        passwords_to_set: Vec::new(),
        left_out: Vec::new(),
        used: Vec::new(),
        without_rows: Vec::new(),
        warnings: vec![NOTHING_PROVEN.to_owned()],
    })
}

/// A script that connects to another database fills that one, and psql ends well. Extensions may have been there before it.
async fn check_is_filled(
    target: &Target,
    before: u64,
    wanted: &ConnectionSettings,
    made: &[String],
    job: &Job,
) -> Result<()> {
    if objects(target, job).await? > before {
        return Ok(());
    }
    let what = if before > 0 { "nothing new" } else { "nothing" };
    let mut doing = format!("find what the script made in {}: there is {what} in the database", wanted.display());
    if !made.is_empty() {
        doing += &format!(", while the databases {} appeared", made.join(", "));
    }
    Err(Error::new(Kind::Failure, doing).hint(ELSEWHERE))
}

async fn objects(target: &Target, job: &Job) -> Result<u64> {
    let mut session = target.connect("restore", job).await?;
    let objects = user_objects(&mut session).await?;
    session.close().await;
    Ok(objects)
}

/// A running psql.
struct Psql {
    child: Child,
    /// What it said so far, and whether it may say more.
    said: Arc<Mutex<Words>>,
    listening: tokio::task::JoinHandle<()>,
    input: PipeWriter,
}

impl Psql {
    fn start(program: &std::path::Path, files: &ClientFiles) -> Result<Self> {
        let (reader, input) = std::io::pipe().kind_of(Kind::Failure, || "open a pipe for psql".into())?;
        let mut command = Command::new(program);
        command.args(["-X", "-q", "--no-password", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-"]);
        files.apply(&mut command, &ToolCall { purpose: "restore", ..ToolCall::default() });
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        let mut child = command.spawn().kind_of(Kind::Tool, || "start psql".into())?;
        let said = Arc::default();
        let listening = tokio::spawn(listen(child.stderr.take(), Arc::clone(&said)));
        Ok(Self { child, said, listening, input })
    }

    async fn feed(self, spooled: &Spooled, job: &Job) -> Result<()> {
        let Self { mut child, said, listening, input } = self;
        let handed = input.try_clone().kind_of(Kind::Failure, || "open a pipe for psql".into())?;
        let (store, keys, reference) = (&spooled.store, &spooled.keys, &spooled.reference);
        let sent = cat(store, keys, reference, handed, job.cancel.clone(), Arc::clone(&job.monitor)).await;
        let sent = match sent {
            // Now its input may end.
            Ok(_) => {
                drop(input);
                Ok(())
            }
            // What psql could not be given because it ended, it says itself. Otherwise it is ended before its input is.
            Err(error) => {
                if tokio::time::timeout(ENDS_WITHIN, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                    return Err(error);
                }
                Err(error)
            }
        };
        let status = job.run(async { child.wait().await.kind_of(Kind::Failure, || "wait for psql".into()) }).await?;
        // What a script has started may hold psql's own output open for as long as it likes; psql's words are read by then.
        let _ = tokio::time::timeout(ENDS_WITHIN, listening).await;
        let said = said.lock().map(|words| words.clone()).unwrap_or_default();
        match (status.success(), said.failed) {
            (true, 0) => sent,
            (true, failed) => {
                let doing = format!("run the script by psql: {} of it failed", counted(failed, "statement"));
                Err(Error::new(Kind::Failure, doing).hint(GOES_ON).caused_by(said.first_failed))
            }
            (false, _) => {
                let error = Error::new(Kind::Failure, format!("run the script by psql: it ended with {status}"));
                let last = said.last();
                Err(if last.is_empty() { error } else { error.caused_by(last) })
            }
        }
    }
}

/// What a script did before it failed is undone only with the database.
fn explained(error: Error, is_created: bool) -> Error {
    if is_created || error.kind() == Kind::Cancelled { error } else { error.hint(STAYS) }
}

const ENDS_WITHIN: Duration = Duration::from_secs(2);
const GOES_ON: &str =
    "the script has psql go on behind errors (\\set ON_ERROR_STOP off): take that line out, or run it by psql yourself";
const ELSEWHERE: &str = "either the script has \\connect, as pg_dump --create writes it, and makes everything in the database that it \
    names: look there, and restore a dump without --create; or it makes nothing that a database is filled with";
const STAYS: &str =
    "what ran before stays in the database: drop it and create it again before the next try, or restore with --create";
const NOTHING_PROVEN: &str = "psql ran the script as it is: nobody counted its rows";
