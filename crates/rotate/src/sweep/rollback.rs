//! The way back to the old key.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_backup::postgres::{ConnectionSettings, Session as _};
use lifeboat_core::{Error, Job, Kind, Result, counted};

use super::binding::refuse_to_unbind_back;
use super::book::{self, Entry};
use super::catalog::{self, Use};
use super::errand::{Errand, errands};
use super::lane::Lane;
use super::leader::Leader;
use super::left::{WayBack, look_again, way_back};
use super::offline::offline;
use super::online::online;
use super::options::{Mode, SweepOptions};
use super::remaining::{Remaining, remaining};
use super::rivals::{Moment, refuse_rivals};
use super::run::{Summary, TargetSummary, refuse_impossible};
use super::staged::{delta, put_one};
use super::status::{Direction, Phase};
use super::strays::{refuse_strays, strays};
use super::tally::Tally;
use super::target::Target;
use super::transaction::{Deed, summary, together};
use super::under_way::fits;
use super::unwritten::{end, end_unwritten, refuse_a_key_of_nothing};
use super::work::Aim;

/// Takes every value of every target back under its old key. A rotation whose prepared values were never put in place is
/// dropped; one whose values were is undone in one transaction, from the old values that were kept; any other is swept
/// with the keys swapped.
///
/// # Errors
/// As [`run`](super::run); [`Kind::Policy`] for a rotation that is finalized.
pub async fn rollback(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Summary> {
    let mut leader = Leader::open(settings, options, job).await?;
    let Remaining { targets, gone, unwritten } = remaining(&mut leader, targets).await?;
    end_unwritten(&mut leader, &unwritten).await?;
    if targets.is_empty() && !gone.is_empty() {
        let gone = end_without_tables(&mut leader, gone).await?;
        leader.close().await;
        return Ok(Summary {
            mode: Mode::default(),
            dry_run: false,
            cut_over: false,
            targets: Vec::new(),
            gone,
            finalized: None,
        });
    }
    let errands = errands(leader.session()?, &targets, options).await?;
    let begun = leader.begun(&errands).await?;
    let mode = begun.iter().flatten().next().map_or_else(Mode::default, |entry| entry.mode);
    refuse_impossible(&mut leader, &errands, Use::of(mode)).await?;
    leader.take_over().await?;
    let entries = under_way(&mut leader, &errands).await?;
    refuse_a_key_of_nothing(&mut leader, &errands, &entries).await?;
    let mode = one_mode(&entries)?;
    let idle = refuse_to_lose(&mut leader, &errands, &entries, options, job).await?;
    let gone = end_without_tables(&mut leader, gone).await?;
    let (mut targets, left) = end_idle(&mut leader, errands, entries, idle).await?;
    let (errands, entries): (Vec<_>, Vec<_>) = left.into_iter().unzip();
    if !errands.is_empty() {
        targets.extend(match mode {
            Mode::Online => sweep_back(&mut leader, &errands, entries, options, job).await?,
            Mode::Staged => together(&mut leader, &errands, entries, Deed::PutBack, options, job).await?,
            Mode::Offline => offline_back(&mut leader, &errands, entries, options, job).await?,
        });
    }
    leader.close().await;
    Ok(Summary { mode, dry_run: false, cut_over: false, targets, gone, finalized: None })
}

fn one_mode(entries: &[Entry]) -> Result<Mode> {
    let mode = entries.first().map_or_else(Mode::default, |entry| entry.mode);
    if entries.iter().all(|entry| entry.mode == mode) {
        return Ok(mode);
    }
    Err(Error::new(Kind::Usage, "roll back rotations of several modes at once").hint("name one target at a time"))
}

/// Refuses what would take an IV, or what it is bound to, from another value, and to end what is not to be seen as a whole. Gives
/// what was found of targets whose rotation is to be ended without a sweep, which might meet what is written from now on.
async fn refuse_to_lose(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: &[Entry],
    options: &SweepOptions,
    job: &Job,
) -> Result<BTreeMap<usize, Tally>> {
    let mode = one_mode(entries)?;
    let mut idle = BTreeMap::new();
    for (at, (errand, entry)) in errands.iter().zip(entries).enumerate() {
        match refuse_to_unbind_back(leader.session()?, errand, errands, &options.declared).await {
            Err(bound) if bound.kind() == Kind::Policy => match way_back(leader, errand, entry, options, job).await? {
                WayBack::Rewrites => return Err(bound),
                WayBack::Drops => {}
                WayBack::Ends(found) => drop(idle.insert(at, found)),
            },
            other => other?,
        }
    }
    if mode != Mode::Staged || entries.iter().any(|entry| entry.phase == Phase::Swept) {
        for errand in errands {
            refuse_rivals(leader.session()?, errand, Moment::UnderWay, job).await?;
        }
    }
    if mode == Mode::Online {
        // It sweeps first, and ends after it has looked.
        return Ok(idle);
    }
    refuse_strays(leader, errands, entries, Direction::Back).await?;
    Ok(idle)
}

/// Ends rotations that wrote nothing and have nothing to take back. Gives the others.
async fn end_idle<'t>(
    leader: &mut Leader,
    errands: Vec<Errand<'t>>,
    entries: Vec<Entry>,
    mut idle: BTreeMap<usize, Tally>,
) -> Result<(Vec<TargetSummary>, Vec<(Errand<'t>, Entry)>)> {
    let (mut ended, mut left) = (Vec::new(), Vec::new());
    for (at, (errand, entry)) in errands.into_iter().zip(entries).enumerate() {
        match idle.remove(&at) {
            Some(found) => {
                end(leader, errand.target).await?;
                ended.push(summary(&errand, found));
            }
            None => left.push((errand, entry)),
        }
    }
    Ok((ended, left))
}

/// Ends rotations whose values went with their table.
async fn end_without_tables(leader: &mut Leader, gone: Vec<(Target, Entry)>) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for (target, entry) in gone {
        leader.take_over().await?;
        over(leader, entry.id).await?;
        ended.push(target.to_string());
    }
    Ok(ended)
}

async fn under_way(leader: &mut Leader, errands: &[Errand<'_>]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for errand in errands {
        let target = errand.target;
        let Some(entry) = book::open_entry(leader.session()?, target).await? else {
            return Err(none_open(target, book::last_entry(leader.session()?, target).await?));
        };
        fits(&entry, errand, entry.mode, Direction::Back)?;
        leader.claim(entry.id, entry.direction);
        entries.push(entry);
    }
    Ok(entries)
}

fn none_open(target: &Target, last: Option<Entry>) -> Error {
    let (why, hint) = match last.map(|entry| entry.phase) {
        Some(Phase::RolledBack) => ("it is rolled back already", "nothing is left to do; `status` shows how it ended"),
        Some(Phase::Finalized) => ("it is finalized", ANEW),
        _ => ("none is under way", "nothing was changed: `status` shows what is under way in this database"),
    };
    Error::new(Kind::Policy, format!("roll the rotation of {target} back: {why}")).hint(hint)
}

const ANEW: &str = "to go back to the old key after all, rotate from the new key to the old one";

/// The same sweep with the keys swapped.
async fn sweep_back(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<Entry>,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    let before = entries.clone();
    let mut turned = Vec::new();
    for (errand, entry) in errands.iter().zip(entries) {
        let resumed = entry.direction == Direction::Back;
        if !resumed {
            book::turn_back(leader.session()?, entry.id).await?;
            leader.claim(entry.id, Direction::Back);
        }
        let entry = book::open_entry(leader.session()?, errand.target).await?.unwrap_or(entry);
        turned.push((entry, resumed));
    }
    let mut summaries = online(leader, errands, turned, Direction::Back, options, job).await?;
    look_again(leader, errands, &mut summaries, options, job).await?;
    for ((errand, before), summary) in errands.iter().zip(before).zip(&mut summaries) {
        if !summary.complete {
            continue;
        }
        if let Some(why) = unfinished(leader, errand, &before, summary).await? {
            job.warn(&why);
            summary.complete = false;
        } else {
            over(leader, before.id).await?;
        }
    }
    Ok(summaries)
}

/// Why a rotation stays open though no pass finds more to take back.
async fn unfinished(
    leader: &mut Leader,
    errand: &Errand<'_>,
    before: &Entry,
    summary: &TargetSummary,
) -> Result<Option<String>> {
    if let Some(loss) = loss(summary, before.broken) {
        return Ok(Some(loss));
    }
    if before.is_unwritten() {
        return Ok(None);
    }
    let strays = strays(leader, errand, before.id, Direction::Back).await?;
    Ok(strays.map(|strays| format!("the rotation of {} stays open: {strays}", errand.target)))
}

/// More values open by neither key than before the way back, and not all of them are given up: they may be under the new key, and
/// what they are bound to is another. Both counts are with those that are given up: the lists of two runs need not be the same.
fn loss(summary: &TargetSummary, before: Option<u64>) -> Option<String> {
    let now = summary.counts.broken();
    if summary.failures.broken() == 0 || before.is_some_and(|before| now <= before) {
        return None;
    }
    let before = match before {
        Some(before) => format!("of which {before} did not before"),
        None => "and how many did not before nobody knows, as no pass forward came to its end".to_owned(),
    };
    let (values, open) = (counted(now, "value"), if now == 1 { "opens" } else { "open" });
    Some(format!(
        "{values} of {} {open} by neither key, {before}: the rotation stays open. Look at what they are bound to (AAD); when all that are left are lost, an accept list that names every one of them ends it",
        summary.target
    ))
}

async fn offline_back(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<Entry>,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let entries = entries.into_iter().map(|entry| (entry, true)).collect();
    let summaries = offline(leader, errands, entries, Direction::Back, options, job).await?;
    ids.iter().for_each(|id| leader.claim(*id, Direction::Back));
    for id in ids {
        over(leader, id).await?;
    }
    Ok(summaries)
}

/// What was prepared goes; of what is in place already, the old values that were kept come back, and what was written since is
/// rewritten under the old key.
pub(super) async fn put_back(
    lane: &mut Lane,
    errand: &Errand<'_>,
    entry: &Entry,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    if entry.phase != Phase::Swept {
        return Ok(Tally::default());
    }
    let relations = catalog::find(&mut lane.session, errand.target, options).await?.relations;
    let relations: Vec<_> = relations.into_iter().map(Arc::new).collect();
    let mut written = 0;
    for swept in &relations {
        written += put_one(lane, swept, entry.id, true).await?;
    }
    let aim = Aim::Rewrite { rotation: entry.id };
    let keyring = errand.keyring(Direction::Back)?;
    let mut tally = delta(lane, errand, keyring, aim, entry.id, &relations, options, job).await?;
    tally.counts.rotated += written;
    refuse_loss(errand, entry, &tally)?;
    Ok(tally)
}

/// The old values that were kept are dropped next: every value that opened must be under its old key. Plaintext is under none, and
/// as much of it as was encrypted since would hide as many that are lost.
fn refuse_loss(errand: &Errand<'_>, entry: &Entry, tally: &Tally) -> Result<()> {
    let (broken, before) = (tally.counts.broken(), entry.broken.unwrap_or_default());
    if tally.failures.broken() == 0 || broken <= before {
        return Ok(());
    }
    let doing = format!("put the old values of {} back", errand.target);
    let why = format!("{broken} open by neither key, of which {before} did not before");
    let some = tally.failures.some_unaccepted();
    Err(Error::new(Kind::Policy, doing)
        .hint(format!(
            "nothing was changed: when those that are left are lost, name every one of them in an accept list: {some}"
        ))
        .caused_by(why))
}

async fn over(leader: &mut Leader, id: i64) -> Result<()> {
    let session = leader.alive().await?;
    session.execute("BEGIN").await?;
    book::drop_values(session, id).await?;
    book::set_phase(session, id, Direction::Back, Phase::RolledBack).await?;
    session.execute("COMMIT").await?;
    leader.let_go(id);
    Ok(())
}
