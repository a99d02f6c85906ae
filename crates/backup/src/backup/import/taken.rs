//! When an imported dump was taken.
//!
//! Invariant: never in time to come. Backups are ordered by it: one of tomorrow would be the latest until then.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_core::{Error, Job, Kind, Result};

use super::{ImportOptions, Taken, Unpacked};
use crate::foreign::Made;

pub(super) fn taken(unpacked: &Unpacked, import: &ImportOptions, now: Timestamp, job: &Job) -> Result<Timestamp> {
    let unknown = |what: &str| {
        Error::new(Kind::Usage, format!("find out when {} was taken: {what}", unpacked.name))
            .hint("give --taken-at 2025-11-21T02:17:00Z; or --taken-at mtime for the time of the file, if it is no fresh copy")
    };
    let taken = match import.taken {
        Taken::At(time) => time,
        Taken::Modified => {
            let modified = unpacked.modified.ok_or_else(|| unknown("it is no file of this host"))?;
            if modified > now - ZONES_DIFFER {
                job.warn(&format!("{} is of {modified}: {FRESH}", unpacked.name));
            }
            modified
        }
        Taken::AsItSays => match unpacked.header.made.ok_or_else(|| unknown("the dump does not say"))? {
            Made::At(time) => time,
            Made::Local(time) => {
                let taken = local(&unpacked.name, time, import.time_zone.as_deref(), now)?;
                job.warn(&format!(
                    "the dump says that it was made at {time}, by a clock whose time zone it does not tell: {} is taken for it (--time-zone)",
                    import.zone()
                ));
                taken
            }
        },
    };
    if taken > now + CLOCKS_DIFFER {
        return Err(unknown(&format!("{taken} is still to come")));
    }
    Ok(taken.min(now))
}

/// What a clock showed whose zone the dump does not tell. Of today it is believed only where somebody tells the zone: in another
/// one it would be hours later than it was, and later than a backup that is newer.
fn local(name: &str, time: DateTime, zone: Option<&str>, now: Timestamp) -> Result<Timestamp> {
    let refused = |what: &str| {
        Error::new(Kind::Usage, format!("find out when {name} was taken: it says {time}, {what}")).hint(GIVE)
    };
    let read = zone.unwrap_or("UTC");
    let taken =
        in_zone(time, read).ok_or_else(|| refused(&format!("and this host does not know the time zone {read}")))?;
    match zone {
        Some(zone) if taken > now + CLOCKS_DIFFER => {
            Err(refused(&format!("which is still to come in the time zone {zone}")))
        }
        None if taken > now - ZONES_DIFFER => Err(refused("by a clock whose time zone it does not tell")),
        _ => Ok(taken),
    }
}

/// A time that a zone's clock shows twice was the earlier one, for all that anybody knows.
fn in_zone(time: DateTime, zone: &str) -> Option<Timestamp> {
    let zone = if zone.eq_ignore_ascii_case("utc") { TimeZone::UTC } else { TimeZone::get(zone).ok()? };
    time.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
}

/// As far as two hosts' clocks may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// As far as two zones' clocks differ: from twelve hours behind UTC to fourteen ahead of it.
const ZONES_DIFFER: SignedDuration = SignedDuration::from_hours(26);
const FRESH: &str = "a copy has the time of the copying, unless cp -p, scp -p or the like kept it. An older dump would be the newest backup \
    by that: import it with --taken-at 2025-11-21T02:17:00Z instead, and delete this one";
const GIVE: &str = "give the time itself: --taken-at 2025-11-21T02:17:00Z; or, where the times in the dump's rows are printed in it too, the time \
    zone of that clock: --time-zone Australia/Sydney";

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};

    use super::{in_zone, local};

    #[test]
    fn a_clock_is_read_in_its_own_zone() {
        let read = |zone| in_zone("2026-11-21T12:30:00".parse().unwrap(), zone).map(|time| time.to_string());
        assert_eq!(read("UTC").as_deref(), Some("2026-11-21T12:30:00Z"));
        assert_eq!(read("Australia/Sydney").as_deref(), Some("2026-11-21T01:30:00Z"));
        assert_eq!(read("Mars/Olympus"), None);
    }

    #[test]
    fn a_clock_of_the_last_hours_is_believed_only_in_a_zone_that_somebody_told() {
        let now: Timestamp = "2026-11-21T12:30:00Z".parse().unwrap();
        let read = |hours: i64, zone| {
            let shown = (now + hours.hours()).to_zoned(jiff::tz::TimeZone::UTC).datetime();
            local("dump", shown, zone, now).map_err(|error| error.to_string())
        };
        assert_eq!(read(-27, None), Ok(now - 27.hours()));
        for hours in [-25, -1, 0, 13] {
            assert!(read(hours, None).unwrap_err().contains("does not tell"), "{hours}");
        }
        assert_eq!(read(-1, Some("UTC")), Ok(now - 1.hour()));
        assert_eq!(read(10, Some("Australia/Sydney")), Ok(now - 1.hour()));
        assert!(read(1, Some("UTC")).unwrap_err().contains("still to come"));
    }
}
