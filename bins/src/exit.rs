//! The exit codes: a contract with timers, monitoring and scripts, so numbers and names never change their meaning.

use std::process::ExitCode;

use lifeboat_core::Kind;

/// How a run ended. New codes may be added; scripts treat an unknown code as failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Success,
    /// Failed for a reason without a code of its own.
    Failure,
    /// The arguments are wrong; nothing was done.
    Usage,
    /// Some databases succeeded, others failed.
    Partial,
    /// The store or the backup does not exist.
    NotFound,
    /// Another run holds the lock.
    Locked,
    /// No key at hand opens this backup.
    WrongKey,
    /// The database server cannot be reached or refuses us.
    Database,
    /// A Postgres client tool is missing or of the wrong version.
    Tool,
    /// Stored bytes are damaged, cut or swapped.
    Integrity,
    /// Refused by a rule; the message names the option that allows it.
    Policy,
    /// A passing fault; the same command may succeed later.
    TryAgain,
    /// The configuration is wrong.
    Config,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// The exit code of an error, by its kind. Cancellation is told from the signal by the caller.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Partial => Self::Partial,
            Kind::NotFound => Self::NotFound,
            Kind::Locked => Self::Locked,
            Kind::WrongKey => Self::WrongKey,
            Kind::Database => Self::Database,
            Kind::Tool => Self::Tool,
            Kind::Integrity => Self::Integrity,
            Kind::Policy => Self::Policy,
            Kind::TryAgain => Self::TryAgain,
            Kind::Config => Self::Config,
            Kind::Cancelled => Self::Terminated,
            // The list of kinds is open: what this release does not know is a plain failure.
            _ => Self::Failure,
        }
    }

    /// The process's exit status.
    pub(crate) fn code(self) -> u8 {
        self.row().0
    }

    /// The name in `exit_kind` of the result record.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    fn meaning(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (u8, &'static str, &'static str) {
        let of = |kind: Kind, meaning| (kind.exit_code(), kind.name(), meaning);
        match self {
            Self::Success => (0, "success", "everything asked for was done"),
            Self::Failure => of(Kind::Failure, "failed; the message says why"),
            Self::Usage => of(Kind::Usage, "wrong arguments; nothing was done"),
            Self::Partial => of(Kind::Partial, "some databases succeeded, others failed"),
            Self::NotFound => of(Kind::NotFound, "the store or the backup does not exist"),
            Self::Locked => of(Kind::Locked, "another run is at work on this database"),
            Self::WrongKey => of(Kind::WrongKey, "no key at hand opens this backup"),
            Self::Database => of(Kind::Database, "the database server cannot be reached or refuses us"),
            Self::Tool => of(Kind::Tool, "a Postgres tool is missing or of the wrong version"),
            Self::Integrity => of(Kind::Integrity, "stored bytes are damaged: use another backup"),
            Self::Policy => of(Kind::Policy, "refused by a rule; the message names the option that allows it"),
            Self::TryAgain => of(Kind::TryAgain, "a passing fault: run again later"),
            Self::Config => of(Kind::Config, "the configuration is wrong or missing"),
            Self::Interrupted => (130, "interrupted", "ended by SIGINT (Ctrl-C)"),
            Self::Terminated => (143, "terminated", "ended by SIGTERM or SIGHUP"),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table that `lifeboat exit-codes` and the help of every program show.
pub(crate) fn table() -> String {
    let rows = ALL.iter().map(|exit| format!("  {:>3}  {:<12} {}\n", exit.code(), exit.name(), exit.meaning()));
    rows.collect::<String>() + "\nTreat a code that is not listed as a failure: new codes may be added.\n"
}

const ALL: [Exit; 15] = [
    Exit::Success,
    Exit::Failure,
    Exit::Usage,
    Exit::Partial,
    Exit::NotFound,
    Exit::Locked,
    Exit::WrongKey,
    Exit::Database,
    Exit::Tool,
    Exit::Integrity,
    Exit::Policy,
    Exit::TryAgain,
    Exit::Config,
    Exit::Interrupted,
    Exit::Terminated,
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
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
    }

    #[test]
    fn the_table_lists_codes_in_order_and_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        assert_eq!(table().lines().filter(|line| line.starts_with("  ")).count(), ALL.len());
    }
}
