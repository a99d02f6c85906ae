//! Looks at everything before anything is done.

use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, units};

use super::super::stand_in::StandIn;
use super::super::{MissingRoles, RestoreOptions, Selection, describe, preflight};
use super::beside::Beside;
use super::disk::{self, Demand, Disk};
use super::live::{self, Live, Ours, Refusals};
use super::lock::Lease;
use super::marker::{Names, State};
use super::notes::{in_use, notes};
use super::pins::Pins;
use super::untrusted::untrusted;
use super::{ReplaceOptions, ReplacePlan, marker_of, proof};
use crate::archive::{Archive, BackupRef, find};
use crate::backup::{self, BackupPlan};
use crate::postgres::{ConnectionSettings, DirectSession};

/// What was found, under the lock.
pub(super) struct Survey {
    pub(super) lease: Lease,
    pub(super) archive: Archive,
    pub(super) beside: Beside,
    pub(super) plan: ReplacePlan,
}

pub(super) async fn survey(
    store: &Store,
    reference: &BackupRef,
    live: &ConnectionSettings,
    options: &ReplaceOptions,
    job: &Job,
) -> Result<Survey> {
    let archive = find(store, &options.restore.keys, job, reference).await?;
    job.step(&format!("check {}", live.display()));
    let mut lease = Lease::take(live, &options.connect(), job).await?;
    let name = lease.live.dbname.clone();
    let found = Live::read(&mut lease.session, &name).await?.ok_or_else(|| absent(&lease.live))?;
    let (stand_ins, kept) = split(live::ours(&mut lease.session, &name).await?);
    let names = Names::new(&name, &options.run);
    let beside = beside(store, &mut lease, &archive, &found, stand_ins, options, job).await?;
    let demand = Demand {
        name: &name,
        index: &archive.index,
        leftovers: &beside.leftovers,
        safety: options.safety.as_ref().map(|_| (store, found.size_bytes.unwrap_or(0))),
    };
    let disk = disk::look(&mut lease.session, &demand).await?;
    let in_use = in_use(&lease.live, &found, job).await;
    let mut refusals = Refusals::default();
    let safety = safety_plan(store, &archive, &lease.live, &found, options, &mut refusals, job).await?;
    found.refuse(&name, &mut refusals);
    refuse_skipped_roles(options, &mut refusals);
    if !options.unproven_rows {
        refuse_unproven(&archive, &mut refusals);
    }
    if !options.ignore_disk && beside.ready.is_none() {
        refuse_disk(&disk, &mut refusals);
    }
    let restore = describe(&archive, &beside.target, &beside.options, None, beside.preflight.clone());
    refusals.why.splice(0..0, restore.refusals.clone());
    refusals.hints.splice(0..0, restore.hints.clone());
    let plan = ReplacePlan {
        run: options.run.clone(),
        database: name,
        database_bytes: found.size_bytes,
        restore,
        kept_as: names.aside,
        stand_in: beside.target.dbname.clone(),
        goes_on: beside.ready.is_some(),
        proves_rows: proof::without_proof(&archive).is_none(),
        safety,
        notes: notes(&archive, &beside, &found, options, &in_use, &disk),
        disk,
        pins: Pins {
            system_identifier: preflight::system_identifier(&mut lease.session).await?,
            present: found.oid,
            coming: beside.ready,
            dropped: beside.leftovers.iter().map(|left| left.oid).collect(),
        },
        connected: found.connected,
        leftovers: beside.leftovers.iter().map(|left| left.name.clone()).collect(),
        kept: kept.iter().map(Ours::kept).collect(),
        refusals: refusals.why,
        hints: refusals.hints,
    };
    Ok(Survey { lease, archive, beside, plan })
}

/// What killed runs left, and what ended ones kept.
fn split(ours: Vec<Ours>) -> (Vec<Ours>, Vec<Ours>) {
    ours.into_iter().partition(|ours| ours.state != State::Replaced)
}

async fn beside(
    store: &Store,
    lease: &mut Lease,
    archive: &Archive,
    found: &Live,
    stand_ins: Vec<Ours>,
    options: &ReplaceOptions,
    job: &Job,
) -> Result<Beside> {
    let name = lease.live.dbname.clone();
    let names = Names::new(&name, &options.run);
    let marker = |state| marker_of(state, &name, &options.run, Some(archive)).to_text();
    let stand_in = StandIn::of(&mut lease.session, &name, marker(State::Restoring)).await?;
    let (ready, leftovers) = ready(&mut lease.session, archive, &stand_in, stand_ins).await?;
    let target = lease.live.with_dbname(&names.stand_in);
    let options = RestoreOptions {
        create: true,
        select: Selection::default(),
        stand_in: Some(stand_in),
        ..options.restore.clone()
    };
    let preflight = preflight::check(store, archive, &target, &options, None, job).await?;
    Ok(Beside {
        live: lease.live.clone(),
        oid: found.oid,
        ready: ready.as_ref().map(|ready| ready.oid),
        target: ready.map_or(target, |ready| lease.live.with_dbname(&ready.name)),
        restored: marker(State::Restored),
        backup: archive.path.to_string(),
        untrusted: untrusted(&mut lease.session, &archive.index.extensions).await?,
        options,
        preflight,
        leftovers,
    })
}

/// The one into which this very backup was restored, and that can become as the live database is; all others are of no use.
async fn ready(
    session: &mut DirectSession,
    archive: &Archive,
    stand_in: &StandIn,
    stand_ins: Vec<Ours>,
) -> Result<(Option<Ours>, Vec<Ours>)> {
    let (mut ready, mut leftovers) = (None, Vec::new());
    for found in stand_ins {
        let backup = found.marker.as_ref().and_then(|marker| marker.backup.clone());
        let is_whole = found.state == State::Restored && backup == Some(archive.path.to_string());
        if ready.is_none() && is_whole && is_of_use(session, &found.name, stand_in).await? {
            ready = Some(found);
        } else {
            leftovers.push(found);
        }
    }
    Ok((ready, leftovers))
}

/// Whether it can become as the live database is. Of one whose DROP was cut short the files may be gone.
async fn is_of_use(session: &mut DirectSession, name: &str, stand_in: &StandIn) -> Result<bool> {
    let found = StandIn::of(session, name, String::new()).await?;
    Ok(found.lies_as(stand_in) && !found.is_half_dropped())
}

/// What a safety backup would do. That it cannot be had is one more reason to refuse.
async fn safety_plan(
    store: &Store,
    archive: &Archive,
    live: &ConnectionSettings,
    found: &Live,
    options: &ReplaceOptions,
    refusals: &mut Refusals,
    job: &Job,
) -> Result<Option<BackupPlan>> {
    let Some(safety) = &options.safety else { return Ok(None) };
    if found.refuse_closed(&live.dbname, refusals) {
        return Ok(None);
    }
    let source = safety.source(&archive.path.database, live)?;
    match Box::pin(backup::plan(&source, store, &safety.options()?, job)).await {
        Ok(plan) => Ok(Some(plan)),
        Err(error) if matches!(error.kind(), Kind::Cancelled | Kind::Locked) => Err(error),
        Err(error) => {
            let hint = error.help().map(|hint| format!("{hint}; ")).unwrap_or_default();
            let why = format!("the safety backup cannot be taken: {}", error.chain());
            refusals.add(why, format!("{hint}or leave it out with --no-safety-backup"));
            Ok(None)
        }
    }
}

/// Owners and grants would be left out, and nothing of the application could read its tables.
fn refuse_skipped_roles(options: &ReplaceOptions, refusals: &mut Refusals) {
    if options.restore.roles == MissingRoles::Skip {
        let why = "with --roles skip nobody but the role that restores could use the database";
        refusals.add(why, "leave --roles out, or give --roles stub or --roles create for roles that are missing");
    }
}

/// That a drill cannot say yes to it either.
fn refuse_unproven(archive: &Archive, refusals: &mut Refusals) {
    if let Some(why) = proof::without_proof(archive) {
        let hint = "restore it beside with --create and look at it; then --unproven-rows, or rename by hand";
        refusals.add(format!("{}: {why}", archive.path), hint);
    }
}

/// What leaves a full disk is a server that is down.
fn refuse_disk(disk: &Disk, refusals: &mut Refusals) {
    let needed = units::size(disk.needed_bytes);
    let Some(free) = disk.free_bytes else {
        let why =
            format!("how much of the server's disk is free cannot be known from here, and about {needed} are needed");
        return refusals.add(why, "look there yourself (df), and give --ignore-disk when there is room");
    };
    if disk.is_too_small() {
        let freed = match disk.freed_bytes {
            0 => String::new(),
            freed => format!(", {} when what killed runs left is dropped", units::size(free + freed)),
        };
        let why = format!(
            "the server's disk has {} free{freed}, and the restored database takes about {needed}{}",
            units::size(free),
            with_what(disk)
        );
        refusals.add(
            why,
            "free disk space, or --ignore-disk; dropping a database that an earlier run kept loses what was in it",
        );
    }
}

/// What is needed besides the restored database and its log.
fn with_what(disk: &Disk) -> String {
    let safety =
        (disk.safety_bytes > 0).then(|| format!("the safety backup, up to {}, in", units::size(disk.safety_bytes)));
    let log =
        disk.log_kept.as_ref().map(|why| format!("its write-ahead log, which the server keeps because {why}, in"));
    let with: Vec<_> = safety.into_iter().chain(log).collect();
    if with.is_empty() {
        String::new()
    } else {
        format!(" (with {} that)", with.join(" and with ").replace(", in and", " and"))
    }
}

fn absent(live: &ConnectionSettings) -> Error {
    Error::new(Kind::Policy, format!("replace {}: there is no such database", live.display()))
        .hint("restore it with --create")
}
