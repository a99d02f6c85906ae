//! Whether the rotation that is under way is the one that is asked for, and whether one that is not may begin.

use lifeboat_core::{Error, Kind, Result};

use super::book::Entry;
use super::errand::Errand;
use super::options::{Mode, SweepOptions};
use super::status::Direction;
use super::target::Target;
use crate::columns::derivation::Doubt;

/// The mode of a run over targets of which some have begun, unless something stands in its way.
pub(super) fn admitted(errands: &[Errand<'_>], begun: &[Option<Entry>], options: &SweepOptions) -> Result<Mode> {
    let mode = mode(begun, options)?;
    for (errand, entry) in errands.iter().zip(begun) {
        match entry {
            Some(entry) => fits(entry, errand, mode, Direction::Forward)?,
            None => refuse_doubtful(errand, options)?,
        }
    }
    Ok(mode)
}

/// The mode that is asked for; else that in which the rotations that are under way began.
pub(super) fn mode(begun: &[Option<Entry>], options: &SweepOptions) -> Result<Mode> {
    let mut modes: Vec<_> = begun.iter().flatten().map(|entry| entry.mode).collect();
    modes.dedup();
    match (options.mode, modes.as_slice()) {
        (Some(mode), _) => Ok(mode),
        (None, []) => Ok(Mode::default()),
        (None, [mode]) => Ok(*mode),
        (None, _) => Err(Error::new(Kind::Usage, "go on with rotations of several modes at once")
            .hint("nothing was written: name one target at a time")),
    }
}

/// Whether the rotation that is under way is the one that is asked for.
pub(super) fn fits(entry: &Entry, errand: &Errand<'_>, mode: Mode, direction: Direction) -> Result<()> {
    let target = errand.target;
    let other = |which: &str, found: &str, expected: &str| {
        Err(Error::new(
            Kind::WrongKey,
            format!("go on with the rotation of {target}: its {which} key is {expected}, and {found} was given"),
        )
        .hint(format!("nothing was written: give the {which} key {expected}{}", way_out(entry, direction))))
    };
    if entry.new_key != errand.new_key {
        return other("new", &errand.new_key, &entry.new_key);
    }
    if entry.old_key != errand.old_key {
        return other("old", &errand.old_key, &entry.old_key);
    }
    refuse_other_ids(entry, target)?;
    if entry.layout != target.layout.to_string() {
        return Err(Error::new(
            Kind::Policy,
            format!("go on with the rotation of {target}: its layout is {}", entry.layout),
        )
        .hint("nothing was written: give the layout that the rotation began with"));
    }
    // Without it, or with another, nothing opens by any key.
    if entry.aad != target.aad.to_string() {
        let aad = if entry.aad.is_empty() { "no AAD".to_owned() } else { format!("the AAD {}", entry.aad) };
        return Err(Error::new(Kind::Policy, format!("go on with the rotation of {target}, which began with {aad}"))
            .hint("nothing was written: give the AAD that the rotation began with (--aad)"));
    }
    if entry.direction != direction && direction == Direction::Forward {
        return Err(Error::new(Kind::Policy, format!("rotate {target}, which is being rolled back"))
            .hint("run rollback until it is over, then begin anew"));
    }
    if entry.mode != mode && direction == Direction::Forward {
        let doing =
            format!("go on with the rotation of {target}, which is {}, in the mode {}", entry.mode.name(), mode.name());
        return Err(Error::new(Kind::Policy, doing)
            .hint("nothing was written: leave the mode out, or roll this rotation back first"));
    }
    Ok(())
}

/// Values that are written under the right key and name another are not found by it, and no rotation mends that: to it, both are the
/// same key.
fn refuse_other_ids(entry: &Entry, target: &Target) -> Result<()> {
    let (old, new) = (&target.keys.old, &target.keys.new);
    for (which, known, given) in [("old", &entry.old_id, &old.id), ("new", &entry.new_id, &new.id)] {
        let (Some(known), Some(given)) = (known, given) else { continue };
        if known != given && target.layout.has_key_id() {
            let doing = format!(
                "go on with the rotation of {target}: the id of its {which} key is {known}, and {given} was given"
            );
            return Err(Error::new(Kind::WrongKey, doing)
                .hint(format!("nothing was written: give the id that it began with (--{which}-id {known})")));
        }
    }
    Ok(())
}

/// What else there is to do than to give the right key.
fn way_out(entry: &Entry, direction: Direction) -> &'static str {
    match direction {
        Direction::Forward if entry.is_unwritten() => {
            ", or roll this rotation back first: it has written nothing, so that its new key is not needed for that"
        }
        Direction::Forward => ", or roll this rotation back first, by the keys that it began with",
        Direction::Back => "",
    }
}

/// What is written under a key that nobody else can make is lost: the application reads the secret from another place.
fn refuse_doubtful(errand: &Errand<'_>, options: &SweepOptions) -> Result<()> {
    let (target, key) = (errand.target, &errand.new_key);
    match target.keys.new.doubt() {
        Some(Doubt::Spoilt(what)) => {
            Err(Error::new(Kind::Policy, format!("rotate {target} to a new key whose secret {what}"))
                .hint("nothing was written: leave nothing but the digits, here and where the application reads it"))
        }
        Some(doubt) if !options.expected_new.contains(key) => {
            let doing = format!("rotate {target} to the key {key}, whose secret {}", doubt.what());
            Err(Error::new(Kind::Policy, doing).hint(format!(
                "nothing was written: if the application makes its key of this very text, give --confirm-new {key}"
            )))
        }
        _ => Ok(()),
    }
}
