//! From what happened to a verdict.
//!
//! Invariant: nothing but a check that proved data makes a drill pass, and "could not find out" is never a yes.

use lifeboat_backup::postgres::sqlstate_of;
use lifeboat_core::drill::Verdict;
use lifeboat_core::{Error, Kind};

use crate::check::{CheckReport, Outcome};

/// Where in a drill an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Finding and opening the backup.
    Find,
    /// Making the scratch database.
    Scratch,
    /// Restoring.
    Restore,
}

/// The verdict of a drill that came to its checks, and why it did not pass.
pub(crate) fn of_checks(checks: &[CheckReport]) -> (Verdict, Vec<String>) {
    let named = |outcome| {
        let these = checks.iter().filter(move |check| check.outcome == outcome);
        these.map(|check| format!("{}: {}", check.name, check.summary)).collect::<Vec<_>>()
    };
    let (failed, unsure) = (named(Outcome::Failed), named(Outcome::Inconclusive));
    let proved = checks.iter().any(|check| check.proves_data && check.outcome == Outcome::Passed);
    match (failed.is_empty(), unsure.is_empty(), proved) {
        (false, _, _) => (Verdict::Failed, failed),
        (true, false, _) => (Verdict::Inconclusive, unsure),
        (true, true, false) => (Verdict::Inconclusive, vec![NOTHING_PROVEN.to_owned()]),
        (true, true, true) => (Verdict::Passed, Vec::new()),
    }
}

/// The verdict of all that was found: what a check said no to stays a no, whatever ended the drill later.
pub(crate) fn of(checks: (Verdict, Vec<String>), error: Option<(Verdict, String)>) -> (Verdict, Vec<String>) {
    match (checks, error) {
        (checks, None) => checks,
        ((Verdict::Failed, mut reasons), Some((_, why))) => {
            reasons.push(why);
            (Verdict::Failed, reasons)
        }
        (_, Some((verdict, why))) => (verdict, vec![why]),
    }
}

/// The verdict of a drill that an error ended before its checks, and why.
pub(crate) fn of_error(stage: Stage, error: &Error) -> (Verdict, String) {
    let verdict = if blames_backup(stage, error) { Verdict::Failed } else { Verdict::Inconclusive };
    let subject = if verdict == Verdict::Failed { "" } else { "environment: " };
    let help = error.help().map_or_else(String::new, |help| format!(" ({help})"));
    (verdict, format!("{subject}{}{help}", error.chain()))
}

/// Whether it is the backup that is at fault, or the lack of one; everything else is the drill's surroundings.
fn blames_backup(stage: Stage, error: &Error) -> bool {
    match (stage, error.kind()) {
        (_, Kind::Integrity) => true,
        // Encryption or a trusted author is demanded, and what lies there has neither: somebody may have put it there.
        (Stage::Find, kind) => matches!(kind, Kind::NotFound | Kind::Policy),
        (Stage::Scratch, _) => false,
        (Stage::Restore, _) => sqlstate_of(error).is_some_and(|state| !is_of_the_server(state)),
    }
}

/// Whether an SQLSTATE tells of the server and not of what was restored (manual, appendix A).
fn is_of_the_server(state: &str) -> bool {
    const CLASSES: [&str; 4] = [
        "08", // connection
        "53", // disk full, out of memory, too many connections
        "57", // shutdown, cancellation
        "58", // an extension's files are not there
    ];
    const STATES: [&str; 4] = [
        "0A000", // an extension or a locale provider that this server does not have
        "42501", // a right
        "42704", // a collation, a role or another object that only this server lacks
        "55000", // an extension that has to be preloaded
    ];
    CLASSES.iter().any(|class| state.starts_with(class)) || STATES.contains(&state)
}

const NOTHING_PROVEN: &str = "no check that proves data could run";

#[cfg(test)]
mod tests {
    use lifeboat_core::{Error, Kind};

    use super::{Stage, Verdict, is_of_the_server, of, of_checks, of_error};
    use crate::check::{CheckReport, Outcome};

    fn check(outcome: Outcome, proves_data: bool) -> CheckReport {
        CheckReport {
            name: "rows".into(),
            proves: "every row".into(),
            outcome,
            proves_data,
            summary: "so it is".into(),
            findings: Vec::new(),
            seconds: 0.0,
        }
    }

    #[test]
    fn a_drill_without_a_check_that_proves_data_does_not_pass() {
        assert_eq!(of_checks(&[]).0, Verdict::Inconclusive);
        assert_eq!(of_checks(&[check(Outcome::Passed, false)]).0, Verdict::Inconclusive);
        assert_eq!(of_checks(&[check(Outcome::Passed, true)]), (Verdict::Passed, Vec::new()));
    }

    #[test]
    fn one_no_fails_and_one_unknown_leaves_it_open() {
        let (yes, no, unsure) = (Outcome::Passed, Outcome::Failed, Outcome::Inconclusive);
        assert_eq!(of_checks(&[check(yes, true), check(unsure, false)]).0, Verdict::Inconclusive);
        let (verdict, reasons) = of_checks(&[check(unsure, false), check(no, false), check(yes, true)]);
        assert_eq!((verdict, reasons.as_slice()), (Verdict::Failed, &["rows: so it is".to_owned()][..]));
    }

    #[test]
    fn what_a_check_said_no_to_stays_a_no_when_the_drill_is_ended() {
        let ended = || Some((Verdict::Inconclusive, "environment: the time is up".to_owned()));
        let (verdict, reasons) = of(of_checks(&[check(Outcome::Failed, true)]), ended());
        assert_eq!((verdict, reasons.len()), (Verdict::Failed, 2));
        assert_eq!(of(of_checks(&[check(Outcome::Passed, true)]), ended()).0, Verdict::Inconclusive);
        assert_eq!(of(of_checks(&[check(Outcome::Passed, true)]), None).0, Verdict::Passed);
    }

    #[test]
    fn a_backup_that_is_not_there_or_damaged_fails_and_surroundings_do_not() {
        let verdict = |stage, kind| of_error(stage, &Error::new(kind, "x")).0;
        assert_eq!(verdict(Stage::Find, Kind::NotFound), Verdict::Failed);
        assert_eq!(verdict(Stage::Find, Kind::Policy), Verdict::Failed);
        for kind in [Kind::TryAgain, Kind::WrongKey, Kind::Config] {
            assert_eq!(verdict(Stage::Find, kind), Verdict::Inconclusive, "{kind:?}");
        }
        for kind in [Kind::Policy, Kind::Database, Kind::Tool, Kind::NotFound] {
            assert_eq!(verdict(Stage::Scratch, kind), Verdict::Inconclusive, "{kind:?}");
            assert_eq!(verdict(Stage::Restore, kind), Verdict::Inconclusive, "{kind:?}");
        }
        assert_eq!(verdict(Stage::Restore, Kind::Integrity), Verdict::Failed);
    }

    #[test]
    fn what_the_server_refuses_for_its_content_is_told_from_what_it_lacks() {
        for state in ["53100", "57P01", "58P01", "0A000", "08006"] {
            assert!(is_of_the_server(state), "{state}");
        }
        for state in ["23505", "23503", "22P02", "42601"] {
            assert!(!is_of_the_server(state), "{state}");
        }
    }
}
