//! `freshness`: the backup is not older than the operator can bear to lose.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::said::{Check, Said};
use super::{CheckReport, Subject};

/// Compares the snapshot's age with the objective; `None` without one.
pub(super) fn check(subject: &Subject<'_>) -> Option<CheckReport> {
    let rpo = subject.options.rpo?;
    let check = Check::new("freshness", format!("the backup holds a state not older than {}", span(rpo.as_secs())));
    Some(check.report(judge(subject.archive.manifest.snapshot, subject.started, rpo), Instant::now()))
}

fn judge(snapshot: Timestamp, started: Timestamp, rpo: Duration) -> Said {
    let age = started.duration_since(snapshot);
    if age < -CLOCKS_DIFFER {
        let ahead = span(age.unsigned_abs().as_secs());
        return Said::inconclusive(format!("the snapshot was taken {ahead} after now: a clock is wrong"));
    }
    let age = Duration::from_secs(u64::try_from(age.as_secs()).unwrap_or(0));
    let text = format!("the snapshot of {snapshot} was {} old when the drill began", span(age.as_secs()));
    if age > rpo {
        let allowed = span(rpo.as_secs());
        return Said::failed(format!(
            "{text}; at most {allowed} are allowed: look at the nightly run, or allow more (`rpo`)"
        ));
    }
    Said::passed(text)
}

/// `26h`, `1h 30m`, `45s`.
pub(super) fn span(seconds: u64) -> String {
    let units = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> =
        units.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Servers' clocks differ from ours by seconds.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Verdict;
    use super::{judge, span};

    #[test]
    fn an_old_backup_fails_and_one_from_the_future_says_nothing() {
        let at = |text: &str| text.parse().unwrap();
        let outcome = |started| judge(at("2026-11-21T02:17:00Z"), at(started), Duration::from_secs(26 * 3600)).outcome;
        assert_eq!(outcome("2026-11-22T04:17:00Z"), Verdict::Passed);
        assert_eq!(outcome("2026-11-22T04:17:01Z"), Verdict::Failed);
        assert_eq!(outcome("2026-11-21T02:16:00Z"), Verdict::Passed);
        assert_eq!(outcome("2026-11-21T02:11:00Z"), Verdict::Inconclusive);
    }

    #[test]
    fn spans_read_as_people_write_them() {
        assert_eq!([0, 45, 5400, 93_600].map(span), ["0s", "45s", "1h 30m", "26h"]);
    }
}
