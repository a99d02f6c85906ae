//! Rotations that have written nothing: no key of theirs is needed to end them, and a new one may be lost by now.

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::{Error, Kind, Result};

use super::book::{self, Entry};
use super::claim::lost;
use super::confirm::changed_meanwhile;
use super::errand::Errand;
use super::leader::Leader;
use super::status::{Direction, Phase};
use super::target::Target;

/// Ends those for which another new key was given than they began with, and says so. Whether the application has written under that
/// one nobody can tell without it.
///
/// # Errors
/// [`Kind::WrongKey`] when there is one: of other targets nothing was taken back yet.
pub(super) async fn end_unwritten(leader: &mut Leader, unwritten: &[(Target, Entry)]) -> Result<()> {
    let Some((first, entry)) = unwritten.first() else { return Ok(()) };
    leader.take_over().await?;
    let mut ended = Vec::new();
    for (target, _) in unwritten {
        end(leader, target).await?;
        ended.push(target.to_string());
    }
    let given = first.keys.new.derive()?;
    let doing = format!(
        "roll the rotation of {} back: its new key is {}, and {} was given",
        ended.join(", "),
        entry.new_key,
        given.fingerprint()
    );
    Err(Error::new(Kind::WrongKey, doing).hint(format!(
        "it had written nothing and is over; no value was changed. What the application itself has written under {} stays so. Begin anew, or give the same command again for the other columns",
        entry.new_key
    )))
}

/// A rotation that wrote nothing may have begun with any old key, when all values were under the new one or are under a third: under
/// that key nothing must be written. It ends here.
pub(super) async fn refuse_a_key_of_nothing(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: &[Entry],
) -> Result<()> {
    for (errand, entry) in errands.iter().zip(entries) {
        if entry.direction == Direction::Back || entry.written() > 0 {
            continue;
        }
        let found = leader.sample(errand).await?.counts;
        if found.rotated == 0 && found.already_new + found.unopened() > 0 {
            end(leader, errand.target).await?;
            let doing = format!("roll the rotation of {} back to the key {}", errand.target, entry.old_key);
            let why = "the rotation had written nothing, and this key opens none of a sample";
            return Err(Error::new(Kind::WrongKey, doing)
                .hint(
                    "no value was changed, and the rotation is over: begin anew with the old key that values are under",
                )
                .caused_by(why));
        }
    }
    Ok(())
}

/// Ends a rotation that wrote nothing. A run that has lost its lock to this one may still write a batch, and notes it in the same transaction: then the rotation is not
/// what it was.
pub(super) async fn end(leader: &mut Leader, target: &Target) -> Result<()> {
    let session = leader.alive().await?;
    let locked = session.execute("BEGIN; LOCK TABLE lifeboat_rotate.part IN EXCLUSIVE MODE").await;
    locked.map_err(|error| changed_meanwhile(error, &format!("end the rotation of {target}")))?;
    let entry = book::open_entry(session, target).await?.filter(Entry::is_unwritten).ok_or_else(lost)?;
    book::drop_values(session, entry.id).await?;
    book::set_phase(session, entry.id, Direction::Back, Phase::RolledBack).await?;
    session.execute("COMMIT").await?;
    leader.let_go(entry.id);
    Ok(())
}
