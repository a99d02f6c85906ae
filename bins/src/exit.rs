//! The exit codes: a contract with timers, monitoring and scripts, so numbers and names never change their meaning.

use std::process::ExitCode;

use lifeboat_core::Kind;
use lifeboat_core::drill::Verdict;

/// How a run ended. New codes may be added; scripts treat an unknown code as failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Success,
    /// An error of this kind ended it.
    Failed(Kind),
    /// A drill ended with this verdict, which is not `passed`.
    Drill(Verdict),
    /// Ended by SIGINT.
    Interrupted,
    /// Nobody reads the rest of what was to be written.
    Unread,
}

impl Exit {
    /// Ended by SIGTERM or SIGHUP.
    pub(crate) const TERMINATED: Self = Self::Failed(Kind::Cancelled);

    /// The process's exit status.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed(kind) => kind.exit_code(),
            Self::Drill(verdict) => verdict.exit_code(),
            Self::Interrupted => 130,
            // As by SIGPIPE, which `head` sends to whoever writes to it.
            Self::Unread => 141,
        }
    }

    /// The name in `exit_kind` of the result record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::TERMINATED => "terminated",
            Self::Failed(kind) => kind.name(),
            Self::Drill(Verdict::Inconclusive) => "drill_inconclusive",
            Self::Drill(_) => "drill_failed",
            Self::Interrupted => "interrupted",
            Self::Unread => "unread",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Success => "everything asked for was done",
            Self::Failed(kind) => meaning(kind),
            Self::Drill(Verdict::Inconclusive) => "a drill could not find out whether the backup restores",
            Self::Drill(_) => "a drill found that the backup does not restore as it should",
            Self::Interrupted => "ended by SIGINT (Ctrl-C)",
            Self::Unread => "the reader of `lifeboat cat` left before the script's end",
        }
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "wrong arguments; nothing was done",
        Kind::Partial => "some databases succeeded, others failed",
        Kind::NotFound => "the store or the backup does not exist",
        Kind::Locked => "another run is at work on this database",
        Kind::WrongKey => "no key at hand opens this backup",
        Kind::Database => "the database server cannot be reached or refuses us",
        Kind::Tool => "a Postgres tool is missing or of the wrong version",
        Kind::Integrity => "stored bytes are damaged: use another backup",
        Kind::Policy => "refused by a rule; the message names the option that allows it",
        Kind::TryAgain => "a passing fault: run again later",
        Kind::Config => "the configuration is wrong or missing",
        Kind::Cancelled => "ended by SIGTERM or SIGHUP",
        // The list of kinds is open.
        _ => "failed; the message says why",
    }
}

/// One drill's verdict, or the worst of several.
impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        if verdict == Verdict::Passed { Self::Success } else { Self::Drill(verdict) }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table that `lifeboat exit-codes` and the help of every program show.
pub(crate) fn table() -> String {
    let rows = ALL.iter().map(|exit| format!("  {:>3}  {:<18}  {}\n", exit.code(), exit.name(), exit.meaning()));
    rows.collect::<String>() + "\nTreat a code that is not listed as a failure: new codes may be added.\n"
}

const ALL: [Exit; 18] = [
    Exit::Success,
    Exit::Failed(Kind::Failure),
    Exit::Failed(Kind::Usage),
    Exit::Failed(Kind::Partial),
    Exit::Failed(Kind::NotFound),
    Exit::Failed(Kind::Locked),
    Exit::Failed(Kind::WrongKey),
    Exit::Failed(Kind::Database),
    Exit::Failed(Kind::Tool),
    Exit::Failed(Kind::Integrity),
    Exit::Drill(Verdict::Failed),
    Exit::Drill(Verdict::Inconclusive),
    Exit::Failed(Kind::Policy),
    Exit::Failed(Kind::TryAgain),
    Exit::Failed(Kind::Config),
    Exit::Interrupted,
    Exit::Unread,
    Exit::TERMINATED,
];

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{ALL, Exit, table};

    #[test]
    fn every_kind_has_the_documented_code() {
        let documented = [
            (Kind::Failure, 1),
            (Kind::Usage, 2),
            (Kind::Partial, 3),
            (Kind::NotFound, 10),
            (Kind::Locked, 11),
            (Kind::WrongKey, 12),
            (Kind::Database, 20),
            (Kind::Tool, 21),
            (Kind::Integrity, 30),
            (Kind::Policy, 40),
            (Kind::TryAgain, 75),
            (Kind::Config, 78),
            (Kind::Cancelled, 143),
        ];
        for (kind, code) in documented {
            assert_eq!(Exit::Failed(kind).code(), code, "{kind:?}");
        }
    }

    #[test]
    fn the_table_lists_codes_in_order_and_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        assert_eq!(table().lines().filter(|line| line.starts_with("  ")).count(), ALL.len());
    }
}
