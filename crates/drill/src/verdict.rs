//! From what happened to a verdict.
//!
//! Invariant: nothing but a check that proved data makes a drill pass, and "could not find out" is never a yes.

use lifeboat_backup::postgres::server_error_of;
use lifeboat_backup::postgres::sqlstate::{
    FEATURE_NOT_SUPPORTED, INSUFFICIENT_PRIVILEGE, NOT_IN_PREREQUISITE_STATE, UNDEFINED_OBJECT,
};
use lifeboat_core::drill::Verdict;
use lifeboat_core::{Error, Kind};

use crate::report::CheckReport;
use crate::report::DrillReport;

/// Where in a drill an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Finding and opening the backup.
    Find,
    /// Making the scratch database.
    Scratch,
    /// Restoring, into a server that is ours alone, or into another one.
    Restore {
        /// Whether it is ours: then we are its superuser, and it speaks English.
        ours: bool,
    },
}

/// The verdict of a drill that came to its checks, and why it did not pass.
pub(crate) fn of_checks(checks: &[CheckReport]) -> (Verdict, Vec<String>) {
    let named = |outcome| {
        let these = checks.iter().filter(move |check| check.outcome == outcome);
        these.map(|check| format!("{}: {}", check.name, check.summary)).collect::<Vec<_>>()
    };
    let (failed, unsure) = (named(Verdict::Failed), named(Verdict::Inconclusive));
    let proved = checks.iter().any(|check| check.proves_data && check.outcome == Verdict::Passed);
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

/// Takes back a yes that could not be recorded: nobody but whoever reads this report would know of it.
pub(crate) fn unrecorded(report: &mut DrillReport, why: &str) {
    if report.verdict == Verdict::Passed {
        report.verdict = Verdict::Inconclusive;
        report.reasons = vec![format!("environment: the drill passed, and that is not recorded: {why}")];
    }
}

/// Whether it is the backup that is at fault, or the lack of one; everything else is the drill's surroundings.
fn blames_backup(stage: Stage, error: &Error) -> bool {
    match (stage, error.kind()) {
        (_, Kind::Integrity) => true,
        // Encryption or a trusted author is demanded, and what lies there has neither: somebody may have put it there.
        (Stage::Find, kind) => matches!(kind, Kind::NotFound | Kind::Policy),
        (Stage::Scratch, _) => false,
        (Stage::Restore { ours }, _) => server_error_of(error).is_some_and(|server| {
            !is_of_the_server(&server.sqlstate) || ours && is_of_the_dump(&server.sqlstate, &server.message)
        }),
    }
}

/// Whether an SQLSTATE tells of the server and not of what was restored (manual, appendix A), or may do.
fn is_of_the_server(state: &str) -> bool {
    const CLASSES: [&str; 4] = [
        "08", // connection
        "53", // disk full, out of memory, too many connections
        "57", // shutdown, cancellation
        "58", // an extension's files are not there
    ];
    const STATES: [&str; 4] = [
        FEATURE_NOT_SUPPORTED, // an extension or a locale provider that this server does not have
        INSUFFICIENT_PRIVILEGE,
        UNDEFINED_OBJECT,          // a collation, a role or another object
        NOT_IN_PREREQUISITE_STATE, // an extension that has to be preloaded, among others
    ];
    CLASSES.iter().any(|class| state.starts_with(class)) || STATES.contains(&state)
}

/// Whether a server of ours, which lacks nothing but what this machine lacks, says by one of the states that may tell of a server
/// that the dump itself is at fault.
fn is_of_the_dump(state: &str, message: &str) -> bool {
    match state {
        // We are its superuser: whoever lacks a right there is a role of the dump's.
        INSUFFICIENT_PRIVILEGE => true,
        // What the dump's own statements make; roles, collations, tablespaces, extensions and what these bring are the server's.
        UNDEFINED_OBJECT => OWN_OBJECTS.iter().any(|kind| message.starts_with(kind)),
        NOT_IN_PREREQUISITE_STATE => !PRELOADED.iter().any(|words| message.contains(words)),
        _ => false,
    }
}

const OWN_OBJECTS: [&str; 12] = [
    "type \"",
    "index \"",
    "constraint \"",
    "trigger \"",
    "rule \"",
    "policy \"",
    "publication \"",
    "server \"",
    "foreign-data wrapper \"",
    "large object ",
    "text search ",
    "statistics object \"",
];
const PRELOADED: [&str; 3] = ["preload", "must be loaded", "wal_level"];
const NOTHING_PROVEN: &str = "no check that proves data could run";

#[cfg(test)]
mod tests {
    use lifeboat_backup::postgres::ServerError;
    use lifeboat_core::{Error, Kind};

    use super::{Stage, Verdict, is_of_the_server, of, of_checks, of_error, unrecorded};
    use crate::report::CheckReport;
    use crate::report::DrillReport;
    use crate::report::tests::example;

    fn check(outcome: Verdict, proves_data: bool) -> CheckReport {
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
        assert_eq!(of_checks(&[check(Verdict::Passed, false)]).0, Verdict::Inconclusive);
        assert_eq!(of_checks(&[check(Verdict::Passed, true)]), (Verdict::Passed, Vec::new()));
    }

    #[test]
    fn one_no_fails_and_one_unknown_leaves_it_open() {
        let (yes, no, unsure) = (Verdict::Passed, Verdict::Failed, Verdict::Inconclusive);
        assert_eq!(of_checks(&[check(yes, true), check(unsure, false)]).0, Verdict::Inconclusive);
        let (verdict, reasons) = of_checks(&[check(unsure, false), check(no, false), check(yes, true)]);
        assert_eq!((verdict, reasons.as_slice()), (Verdict::Failed, &["rows: so it is".to_owned()][..]));
    }

    #[test]
    fn what_a_check_said_no_to_stays_a_no_when_the_drill_is_ended() {
        let ended = || Some((Verdict::Inconclusive, "environment: the time is up".to_owned()));
        let (verdict, reasons) = of(of_checks(&[check(Verdict::Failed, true)]), ended());
        assert_eq!((verdict, reasons.len()), (Verdict::Failed, 2));
        assert_eq!(of(of_checks(&[check(Verdict::Passed, true)]), ended()).0, Verdict::Inconclusive);
        assert_eq!(of(of_checks(&[check(Verdict::Passed, true)]), None).0, Verdict::Passed);
    }

    #[test]
    fn a_backup_that_is_not_there_or_damaged_fails_and_surroundings_do_not() {
        let verdict = |stage, kind| of_error(stage, &Error::new(kind, "x")).0;
        assert_eq!(verdict(Stage::Find, Kind::NotFound), Verdict::Failed);
        assert_eq!(verdict(Stage::Find, Kind::Policy), Verdict::Failed);
        for kind in [Kind::TryAgain, Kind::WrongKey, Kind::Config] {
            assert_eq!(verdict(Stage::Find, kind), Verdict::Inconclusive, "{kind:?}");
        }
        let restore = Stage::Restore { ours: true };
        for kind in [Kind::Policy, Kind::Database, Kind::Tool, Kind::NotFound] {
            assert_eq!(verdict(Stage::Scratch, kind), Verdict::Inconclusive, "{kind:?}");
            assert_eq!(verdict(restore, kind), Verdict::Inconclusive, "{kind:?}");
        }
        assert_eq!(verdict(restore, Kind::Integrity), Verdict::Failed);
    }

    #[test]
    fn what_the_dump_should_have_made_is_told_from_what_the_machine_lacks() {
        let verdict = |ours, sqlstate: &str, message: &str| {
            let (sqlstate, message) = (sqlstate.to_owned(), message.to_owned());
            let error =
                ServerError { sqlstate, message, detail: None, hint: None, constraint: None }.while_doing("restore");
            of_error(Stage::Restore { ours }, &error).0
        };
        for (sqlstate, message, ours) in [
            ("42704", "type \"public.mood\" does not exist", Verdict::Failed),
            ("42704", "text search configuration \"own\" does not exist", Verdict::Failed),
            ("42704", "role \"app\" does not exist", Verdict::Inconclusive),
            ("42704", "collation \"de-x-icu\" for encoding \"UTF8\" does not exist", Verdict::Inconclusive),
            ("42704", "tablespace \"fast\" does not exist", Verdict::Inconclusive),
            ("42704", "access method \"hnsw\" does not exist", Verdict::Inconclusive),
            ("42501", "permission denied for table secrets", Verdict::Failed),
            ("55000", "materialized view \"seen\" has not been populated", Verdict::Failed),
            ("55000", "timescaledb must be preloaded", Verdict::Inconclusive),
            ("0A000", "extension \"vector\" is not available", Verdict::Inconclusive),
            ("42883", "function public.score() does not exist", Verdict::Failed),
        ] {
            assert_eq!(verdict(true, sqlstate, message), ours, "{message}");
            let elsewhere = if sqlstate == "42883" { Verdict::Failed } else { Verdict::Inconclusive };
            assert_eq!(verdict(false, sqlstate, message), elsewhere, "{message}");
        }
    }

    #[test]
    fn a_yes_that_is_not_recorded_is_none_and_a_no_stays_one() {
        for (verdict, then) in [(Verdict::Passed, Verdict::Inconclusive), (Verdict::Failed, Verdict::Failed)] {
            let mut report = DrillReport { verdict, ..example() };
            unrecorded(&mut report, "the store is gone");
            assert_eq!(report.verdict, then);
        }
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
