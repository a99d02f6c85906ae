//! Takes a replacement back: the name goes to the database that had it before, with all that was written to it.
//!
//! It is the same swap the other way round, and keeps the one that has the name now: doing it twice is as doing nothing. What belongs
//! to the name and not to the rows (owner, privileges, settings, comment) stays with the name, as it does when it is replaced.

use std::sync::Arc;
use std::time::Instant;

use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Job, Kind, Result, RunId, counted};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::super::preflight::system_identifier;
use super::super::stand_in::StandIn;
use super::super::target::drop_statement;
use super::follow::try_to_follow;
use super::live::{self, Live, Ours, Refusals};
use super::lock::Lease;
use super::marker::{Names, State};
use super::pins::Pins;
use super::swap::Swap;
use super::{Connected, KeptDatabase, marker_of};
use crate::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Retry};

/// How a replacement is taken back.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// Names the database that is set aside.
    pub run: RunId,
    /// The kept database that gets the name; needed where there are several.
    pub kept: Option<String>,
    /// The databases that somebody agreed to, of an earlier plan.
    pub confirmed: Option<Pins>,
    /// When a failed connection is tried again.
    pub connect_retry: Retry,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl UndoOptions {
    /// The defaults.
    #[must_use]
    pub fn new(run: RunId) -> Self {
        Self { run, kept: None, confirmed: None, connect_retry: Retry::default(), cancel: CancellationToken::new() }
    }
}

/// What taking a replacement back would do.
#[derive(Clone, Debug, Serialize)]
pub struct UndoPlan {
    /// The run that its names carry.
    pub run: RunId,
    /// The name.
    pub database: String,
    /// Where it is.
    pub target: String,
    /// The database that gets the name back.
    pub comes_back: KeptDatabase,
    /// What was changed since of the properties that belong to the name, and stays so.
    pub taken_over: Vec<String>,
    /// The databases that all this is about.
    pub pins: Pins,
    /// The backup that took its place; none where that was undone itself.
    pub replaced_by: Option<String>,
    /// The name under which the present one is kept.
    pub kept_as: String,
    /// Its size, where the role may know it.
    pub database_bytes: Option<u64>,
    /// Whose sessions would be ended.
    pub connected: Vec<Connected>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// Why it would be refused; empty when it would run.
    pub refusals: Vec<String>,
    /// What to do about each.
    pub hints: Vec<String>,
}

impl UndoPlan {
    /// Whether it would run.
    ///
    /// # Errors
    /// [`Kind::Policy`] with every reason.
    pub fn check(&self) -> Result<()> {
        Refusals::check(&self.refusals, &self.hints, &format!("take back what replaced {}", self.target))
    }
}

/// What taking a replacement back did.
#[derive(Clone, Debug, Serialize)]
pub struct UndoSummary {
    /// The run.
    pub run: RunId,
    /// The name.
    pub database: String,
    /// What the database that has it now was called before.
    pub came_back: String,
    /// What the other one is called now.
    pub kept_as: String,
    /// Sessions that were ended for it.
    pub ended_sessions: u64,
    /// Seconds from the beginning of the swap to its end.
    pub swap_seconds: f64,
    /// The statement that drops the other one.
    pub drop_old: String,
}

struct Survey {
    lease: Lease,
    present: Live,
    coming: Ours,
    plan: UndoPlan,
}

/// Finds out what taking back the last replacement of `live` would do, and changes nothing.
///
/// # Errors
/// [`Kind::NotFound`] when no such database is kept, [`Kind::Policy`] when several are and none was named; [`Kind::Locked`]; those of
/// connecting. What would be refused is in the plan.
pub async fn plan_undo(
    live: &ConnectionSettings,
    options: &UndoOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<UndoPlan> {
    let job = Job::new(monitor, options.cancel.clone());
    let Survey { lease, plan, .. } = job.run(Box::pin(survey(live, options, &job))).await?;
    lease.release().await;
    Ok(plan)
}

/// Gives the name of `live` back to the database that had it last.
///
/// # Errors
/// Those of [`plan_undo`]; [`Kind::Policy`] with every reason; [`Kind::TryAgain`] when sessions come back too fast. Nothing has
/// changed then.
pub async fn undo_replace(
    live: &ConnectionSettings,
    options: &UndoOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<UndoSummary> {
    let job = Job::new(monitor, options.cancel.clone());
    let Survey { mut lease, present, coming, plan } = job.run(Box::pin(survey(live, options, &job))).await?;
    plan.pins.check(options.confirmed.as_ref(), &format!("take back what replaced {}", plan.target))?;
    plan.check()?;
    let wanted = StandIn::of(&mut lease.session, &plan.database, String::new()).await?;
    try_to_follow(&mut lease.session, &coming.name, &wanted).await?;
    let swap = Swap {
        name: &plan.database,
        present: present.oid,
        aside: &plan.kept_as,
        marker: marker_of(State::Replaced, &plan.database, &plan.run, None),
        coming: coming.oid,
        coming_name: &coming.name,
    };
    let began = Instant::now();
    let swapped = Box::pin(swap.apply(&mut lease, &job)).await;
    let doing = format!("take back what replaced {}", plan.database);
    let ended_sessions = swapped.map_err(|not_given| not_given.told(&doing, &plan.database))?;
    let swap_seconds = began.elapsed().as_secs_f64();
    let drop_old = drop_statement(&plan.kept_as, lease.session.server().version_num);
    lease.release().await;
    Ok(UndoSummary {
        run: plan.run,
        database: plan.database,
        came_back: coming.name,
        kept_as: plan.kept_as,
        ended_sessions,
        swap_seconds,
        drop_old,
    })
}

async fn survey(live: &ConnectionSettings, options: &UndoOptions, job: &Job) -> Result<Survey> {
    job.step(&format!("check {}", live.display()));
    let how = ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() };
    let mut lease = Lease::take(live, &how, job).await?;
    let name = lease.live.dbname.clone();
    let kept: Vec<_> = live::ours(&mut lease.session, &name).await?;
    let kept = kept.into_iter().filter(|ours| ours.state == State::Replaced).collect();
    let coming = choose(kept, options.kept.as_deref(), &lease.live)?;
    let present = Live::read(&mut lease.session, &name).await?.ok_or_else(|| absent(&lease.live, &coming))?;
    let mut refusals = Refusals::default();
    present.refuse(&name, &mut refusals);
    refuse_other(&mut lease.session, &coming, &mut refusals).await?;
    if lease.session.server().in_recovery {
        refusals.add("the server is a standby", "take it back on its primary");
    }
    let (taken_over, moved) = taken_over(&mut lease.session, &name, &coming, &present).await?;
    let marker = coming.marker.as_ref();
    let plan = UndoPlan {
        run: options.run.clone(),
        target: lease.live.display(),
        comes_back: coming.kept(),
        taken_over,
        pins: Pins {
            system_identifier: system_identifier(&mut lease.session).await?,
            present: present.oid,
            coming: Some(coming.oid),
            dropped: Vec::new(),
        },
        replaced_by: marker.and_then(|marker| marker.backup.clone()),
        kept_as: Names::new(&name, &options.run).aside,
        database_bytes: present.size_bytes,
        connected: present.connected.clone(),
        notes: notes(&name, &present, moved),
        refusals: refusals.why,
        hints: refusals.hints,
        database: name,
    };
    Ok(Survey { lease, present, coming, plan })
}

/// The one that was named, or the only one.
fn choose(mut kept: Vec<Ours>, named: Option<&str>, live: &ConnectionSettings) -> Result<Ours> {
    let doing = |why: &str| format!("take back what replaced {}: {why}", live.display());
    let list: Vec<_> = kept.iter().rev().map(told).collect();
    let Some(last) = kept.pop() else {
        return Err(Error::new(Kind::NotFound, doing("no database is kept"))
            .hint("`psql -l` lists what there is; safety backups are in the store"));
    };
    match named {
        None if kept.is_empty() => Ok(last),
        None => {
            let why = format!("{} databases are kept", list.len());
            Err(Error::new(Kind::Policy, doing(&why)).hint(format!("name one, the newest first:{}", list.concat())))
        }
        Some(named) => kept.into_iter().chain([last]).find(|ours| ours.name == named).ok_or_else(|| {
            Error::new(Kind::NotFound, doing(&format!("no database is kept as {named}")))
                .hint(format!("those that are kept, the newest first:{}", list.concat()))
        }),
    }
}

/// A line of its own, as it is given to the next command.
fn told(ours: &Ours) -> String {
    let kept = ours.kept();
    let since = kept.replaced_at.map(|at| format!("  replaced {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    format!("\n  --kept {}{}", kept.name, since.unwrap_or_default())
}

/// Somebody may be at work in the one that comes back, too.
async fn refuse_other(session: &mut DirectSession, coming: &Ours, refusals: &mut Refusals) -> Result<()> {
    if let Some(other) = Live::read(session, &coming.name).await? {
        other.refuse_as_it_is(&coming.name, refusals);
    }
    Ok(())
}

/// What the one that comes back gets of the present one, and whether they lie in different places.
async fn taken_over(
    session: &mut DirectSession,
    name: &str,
    coming: &Ours,
    present: &Live,
) -> Result<(Vec<String>, bool)> {
    let wanted = StandIn::of(session, name, String::new()).await?;
    let found = StandIn::of(session, &coming.name, String::new()).await?;
    let mut taken_over = found.differences(&wanted);
    let comment = coming.marker.as_ref().and_then(|marker| marker.comment.as_ref());
    if comment != present.comment.as_ref() {
        taken_over.push("comment".to_owned());
    }
    Ok((taken_over, found.properties.tablespace != wanted.properties.tablespace))
}

fn notes(name: &str, present: &Live, moved: bool) -> Vec<String> {
    let mut notes =
        vec![format!("what was written to {name} since is in the database that is set aside, and stays there")];
    if moved {
        notes.push("the two lie in different tablespaces, and stay where they are".to_owned());
    }
    if !present.allows_connections {
        notes.push(format!("{name} allows no connections; the one that comes back will"));
    }
    if present.followers > 0 {
        let followers = counted(present.followers, "server or program");
        notes
            .push(format!("{followers} following this server: sessions there stay with their database until they end"));
    }
    notes
}

fn absent(live: &ConnectionSettings, coming: &Ours) -> Error {
    let rename = format!(
        "ALTER DATABASE {} RENAME TO {}",
        crate::postgres::quote_ident(&coming.name),
        crate::postgres::quote_ident(&live.dbname)
    );
    Error::new(Kind::Policy, format!("take back what replaced {}: there is no such database", live.display()))
        .hint(format!("nothing has the name: {rename}"))
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::super::marker::State;
    use super::{Ours, choose};
    use crate::postgres::ConnectionSettings;

    fn kept(name: &str) -> Ours {
        Ours { name: name.into(), oid: 1, size_bytes: None, is_beside: true, state: State::Replaced, marker: None }
    }

    #[test]
    fn of_several_kept_databases_one_is_named() {
        let live = ConnectionSettings::parse("host=db dbname=shop user=u", &|_| None).unwrap();
        let all = || vec![kept("shop_replaced_1"), kept("shop_replaced_2")];
        assert_eq!(choose(vec![kept("shop_replaced_1")], None, &live).unwrap().name, "shop_replaced_1");
        assert_eq!(choose(all(), Some("shop_replaced_1"), &live).unwrap().name, "shop_replaced_1");
        let several = choose(all(), None, &live).unwrap_err();
        assert_eq!(several.kind(), Kind::Policy);
        assert!(several.to_string().ends_with("2 databases are kept"), "{several}");
        let lines = "\n  --kept shop_replaced_2\n  --kept shop_replaced_1";
        assert_eq!(several.help(), Some(format!("name one, the newest first:{lines}").as_str()));
        let none = choose(all(), Some("shop"), &live).unwrap_err();
        assert_eq!(none.kind(), Kind::NotFound);
        assert!(none.help().unwrap().ends_with(lines), "{none:?}");
        assert_eq!(choose(Vec::new(), Some("shop"), &live).unwrap_err().kind(), Kind::NotFound);
    }
}
