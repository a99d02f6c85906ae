//! The end of a rotation: from here the old key opens nothing that the application needs.

use jiff::Timestamp;
use lifeboat_backup::postgres::{ConnectionSettings, Session as _, rows};
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _, counted};
use serde::{Deserialize, Serialize};

use super::book::{self, Entry};
use super::catalog::Use;
use super::counts::Failures;
use super::errand::{Errand, errands};
use super::in_flight;
use super::leader::Leader;
use super::options::SweepOptions;
use super::status::{Direction, Phase};
use super::strays::{note, refuse_strays};
use super::target::Target;
use super::under_way::fits;
use super::verify::{TargetVerification, Verification, proven};

/// Rotations that are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finalized {
    /// When, by the server's clock, by which its backups are dated, too: those taken before hold values under the old keys.
    pub at: Timestamp,
    /// One for each target, in their order.
    pub targets: Vec<FinalizedTarget>,
}

/// A rotation that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FinalizedTarget {
    /// The proof.
    pub verification: TargetVerification,
    /// The fingerprint of the key that none of these values needs any more; others may.
    pub old_key: String,
    /// Values that this rotation wrote.
    pub rotated: u64,
}

/// Proves every target by its new key alone, then drops old values and checkpoints and keeps a record.
///
/// # Errors
/// [`Kind::Policy`] when a last pass still had something to write, or a row does not open and is not accepted;
/// [`Kind::TryAgain`] while a transaction of others that has written a table is not over: nothing was dropped.
pub async fn finalize(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Finalized> {
    // Every row that is given up is recorded by its name.
    let options = SweepOptions { failures_named: options.failures_named.max(options.accept.len()), ..options.clone() };
    let mut leader = Leader::open(settings, &options, job).await?;
    let errands = errands(leader.session()?, targets, &options).await?;
    for errand in &errands {
        errand.refuse(Use::Read)?;
    }
    leader.take_over().await?;
    let entries = swept(&mut leader, &errands).await?;
    refuse_strays(&mut leader, &errands, &entries, Direction::Forward).await?;
    in_flight::ended(&mut leader, &errands, "prove what every table holds", &options, job).await?;
    let verification = proven(&mut leader, &errands, &options, job).await?;
    // What went before the proof came to it is not in it.
    refuse_strays(&mut leader, &errands, &entries, Direction::Forward).await?;
    for (errand, proof) in errands.iter().zip(&verification.targets) {
        refuse_unopened(proof)?;
        refuse_unproven(&mut leader, errand, proof).await?;
    }
    let targets = finished(&mut leader, entries, verification).await?;
    let at = now(&mut leader).await;
    leader.close().await;
    Ok(Finalized { at, targets })
}

/// The rotations of targets, each after a pass that had nothing to write.
async fn swept(leader: &mut Leader, errands: &[Errand<'_>]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for errand in errands {
        let target = errand.target;
        let Some(entry) = book::open_entry(leader.session()?, target).await? else {
            return Err(Error::new(Kind::Policy, format!("finalize {target}: no rotation of it is under way"))
                .hint("`status` shows what is under way, and what is over"));
        };
        fits(&entry, errand, entry.mode, entry.direction)?;
        if entry.direction == Direction::Back {
            return Err(Error::new(Kind::Policy, format!("finalize {target}, which is being rolled back"))
                .hint("run rollback until it is over: then there is nothing to finalize"));
        }
        if entry.phase != Phase::Swept {
            return Err(Error::new(Kind::Policy, format!("finalize {target}, whose rotation is not through")).hint(
                "run it again until a whole pass has nothing to write; staged: put the prepared values in place",
            ));
        }
        leader.claim(entry.id, entry.direction);
        // Also of what was attached since the last pass: its values are seen, and may be gone again next time.
        note(leader.session()?, entry.id, &errand.found.relations).await?;
        entries.push(entry);
    }
    Ok(entries)
}

fn refuse_unopened(proof: &TargetVerification) -> Result<()> {
    let unopened = proof.failures.unaccepted();
    if unopened == 0 {
        return Ok(());
    }
    let named = proof.failures.some_unaccepted();
    let values = counted(unopened, "value");
    Err(Error::new(
        Kind::Policy,
        format!("finalize {}: the new key {} does not open {values}", proof.target, proof.key),
    )
    .hint(format!("nothing was dropped; {}: {named}", remedy(&proof.failures))))
}

fn remedy(failures: &Failures) -> String {
    let left = failures.under_old_key;
    let run = format!("run again for {left} still under the old key");
    match failures.unopened() {
        0 => run,
        lost if left == 0 => format!("no key opens {lost}: name those that are lost in an accept list"),
        lost => format!("no key opens {lost}: name those that are lost in an accept list; {run}"),
    }
}

/// Where a path of the layout leads nowhere, every value is empty.
async fn refuse_unproven(leader: &mut Leader, errand: &Errand<'_>, proof: &TargetVerification) -> Result<()> {
    if proof.counts.opened() > 0 {
        return Ok(());
    }
    let Some(table) = errand.holds_something(leader.alive().await?).await? else { return Ok(()) };
    let layout = &errand.target.layout;
    Err(Error::new(Kind::Policy, format!("finalize {}: the new key {} opened nothing", proof.target, proof.key))
        .hint(format!("nothing was dropped: {table} has values, and none where the layout {layout} looks for them")))
}

async fn finished(
    leader: &mut Leader,
    entries: Vec<Entry>,
    verification: Verification,
) -> Result<Vec<FinalizedTarget>> {
    let session = leader.alive().await?;
    session.execute("BEGIN").await?;
    let mut targets = Vec::new();
    for (entry, proof) in entries.into_iter().zip(verification.targets) {
        let accepted: Vec<_> = proof.failures.named.iter().filter(|failure| failure.accepted).collect();
        let accepted =
            serde_json::to_string(&accepted).kind_of(Kind::Failure, || "write the accepted rows down".to_owned())?;
        book::set_accepted(session, entry.id, &accepted).await?;
        book::set_rotated(session, entry.id, entry.written(), &proof.counts).await?;
        book::drop_values(session, entry.id).await?;
        book::set_phase(session, entry.id, Direction::Forward, Phase::Finalized).await?;
        targets.push(FinalizedTarget { rotated: entry.written(), old_key: entry.old_key, verification: proof });
    }
    session.execute("COMMIT").await?;
    Ok(targets)
}

/// What is over stays so: where the server does not tell, this host's clock has to do.
async fn now(leader: &mut Leader) -> Timestamp {
    let Ok(session) = leader.session() else { return Timestamp::now() };
    let told = rows::<Moment>(session, "SELECT pg_catalog.clock_timestamp() AS now").await;
    told.ok().and_then(|mut told| told.pop()).map_or_else(Timestamp::now, |moment| moment.now)
}

#[derive(Deserialize)]
struct Moment {
    now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::super::counts::Counts;
    use super::{Failures, TargetVerification, refuse_unopened};

    #[test]
    fn one_value_that_does_not_open_is_no_plural() {
        let refused = |total| {
            let proof = TargetVerification {
                target: "public.tokens.secret".to_owned(),
                table: "tokens".parse().unwrap(),
                columns: vec!["secret".to_owned()],
                key: "0123456789abcdef".to_owned(),
                counts: Counts::default(),
                failures: Failures { total, ..Failures::default() },
                nothing_found: false,
            };
            refuse_unopened(&proof).map_err(|error| error.to_string())
        };
        let told = "finalize public.tokens.secret: the new key 0123456789abcdef does not open";
        assert_eq!(refused(1), Err(format!("{told} 1 value")));
        assert_eq!(refused(2), Err(format!("{told} 2 values")));
        assert_eq!(refused(0), Ok(()));
    }
}
