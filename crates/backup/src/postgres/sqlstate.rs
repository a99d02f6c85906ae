//! What the server's error codes mean to an operator.

use std::error::Error as StdError;
use std::fmt;

use lifeboat_core::{Error, Kind};
use tokio_postgres::error::DbError;

/// An error in the server's own words. Its text may carry values of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The five characters of the code, such as `42501`.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// The detail, where there is one.
    pub detail: Option<String>,
    /// The server's hint, where there is one.
    pub hint: Option<String>,
    /// The name of the constraint that refused a row: of all this, what never carries a value.
    pub constraint: Option<String>,
}

impl ServerError {
    /// As our own error, its kind and hint chosen by [`classify`].
    #[must_use]
    pub fn while_doing(self, doing: impl Into<String>) -> Error {
        let (kind, hint) = self.classified();
        let error = Error::new(kind, doing);
        let error = match hint.map(str::to_owned).or_else(|| self.hint.clone()) {
            Some(hint) => error.hint(hint),
            None => error,
        };
        error.caused_by(self)
    }
}

impl ServerError {
    /// Replay of the primary's log ends statements that it would have to wait for, and sessions between two statements.
    fn is_recovery_conflict(&self) -> bool {
        self.message.contains("conflict with recovery")
    }

    fn classified(&self) -> (Kind, Option<&'static str>) {
        if self.is_recovery_conflict() {
            return (Kind::TryAgain, Some(RECOVERY_CONFLICT));
        }
        if self.message.starts_with("permission denied for database") {
            return (Kind::Database, Some(NO_CONNECT));
        }
        classify(&self.sqlstate)
    }
}

/// What an operator does about a standby that ended the dump for the sake of its replay.
pub const RECOVERY_CONFLICT: &str = "run again; for good: hot_standby_feedback = on there keeps the rows that a dump reads from being vacuumed, \
                                     and max_standby_streaming_delay longer than a dump lets changes of tables wait; or dump from the primary";

const NO_CONNECT: &str =
    "grant the role CONNECT on the database; a database of the provider's own is to be left out of the configuration";

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        Self {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)?;
        match &self.detail {
            Some(detail) => write!(f, ", {detail}"),
            None => Ok(()),
        }
    }
}

impl StdError for ServerError {}

// The codes that callers treat differently, by the names that PostgreSQL's manual gives them.

/// Protocol violation.
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// Feature not supported.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// Character not in repertoire.
pub const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
/// Read only transaction.
pub const READ_ONLY_TRANSACTION: &str = "25006";
/// Invalid authorization.
pub const INVALID_AUTHORIZATION: &str = "28000";
/// Invalid password.
pub const INVALID_PASSWORD: &str = "28P01";
/// Undefined database.
pub const UNDEFINED_DATABASE: &str = "3D000";
/// Undefined schema.
pub const UNDEFINED_SCHEMA: &str = "3F000";
/// Serialization failure.
pub const SERIALIZATION_FAILURE: &str = "40001";
/// Deadlock detected.
pub const DEADLOCK_DETECTED: &str = "40P01";
/// Insufficient privilege.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// Undefined column.
pub const UNDEFINED_COLUMN: &str = "42703";
/// Undefined object.
pub const UNDEFINED_OBJECT: &str = "42704";
/// Invalid foreign key.
pub const INVALID_FOREIGN_KEY: &str = "42830";
/// Undefined function.
pub const UNDEFINED_FUNCTION: &str = "42883";
/// Undefined table.
pub const UNDEFINED_TABLE: &str = "42P01";
/// Duplicate database.
pub const DUPLICATE_DATABASE: &str = "42P04";
/// Disk full.
pub const DISK_FULL: &str = "53100";
/// Out of memory.
pub const OUT_OF_MEMORY: &str = "53200";
/// Too many connections.
pub const TOO_MANY_CONNECTIONS: &str = "53300";
/// Not in prerequisite state.
pub const NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// Object in use.
pub const OBJECT_IN_USE: &str = "55006";
/// Lock not available.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Query canceled.
pub const QUERY_CANCELED: &str = "57014";
/// Admin shutdown.
pub const ADMIN_SHUTDOWN: &str = "57P01";
/// Crash shutdown.
pub const CRASH_SHUTDOWN: &str = "57P02";
/// Cannot connect now.
pub const CANNOT_CONNECT_NOW: &str = "57P03";

/// The kind of a server's error, and what the operator can do where the server's own hint is not enough.
#[must_use]
pub fn classify(sqlstate: &str) -> (Kind, Option<&'static str>) {
    let hint = match sqlstate {
        INVALID_PASSWORD => "check the user and the password; PGPASSWORD and ~/.pgpass are read where none is given",
        INVALID_AUTHORIZATION => {
            "check the user's name, and look at pg_hba.conf of the server: it must let this user in from this host, with or without TLS; where it \
             asks for a client certificate, name one by sslcert and sslkey"
        }
        UNDEFINED_DATABASE => "check the name of the database; `psql -l` lists those that exist",
        INSUFFICIENT_PRIVILEGE => {
            "grant the role what it lacks; pg_read_all_data reads every table but does not pass row-level security"
        }
        TOO_MANY_CONNECTIONS => "lower --jobs, or raise max_connections; some connections are reserved for superusers",
        DISK_FULL => "free space on the server's disk",
        OUT_OF_MEMORY => "the server is out of memory",
        LOCK_NOT_AVAILABLE => "another session holds the lock; see pg_blocking_pids, and run again later",
        SERIALIZATION_FAILURE | DEADLOCK_DETECTED => "another session was in the way; run again",
        ADMIN_SHUTDOWN => "the server is being shut down, or an administrator ended the session",
        CRASH_SHUTDOWN => "the server crashed and restarts",
        CANNOT_CONNECT_NOW => "the server is starting, stopping or recovering; run again later",
        QUERY_CANCELED => "a time limit or an administrator cancelled the statement; on a standby, recovery may have",
        READ_ONLY_TRANSACTION => "the server is a standby, or the session is read-only",
        FEATURE_NOT_SUPPORTED => "the server's version may be too old",
        _ if sqlstate.starts_with("08") => "the connection was lost; look at the server's log and at the network",
        _ => return (Kind::Database, None),
    };
    let kind = match sqlstate {
        LOCK_NOT_AVAILABLE | SERIALIZATION_FAILURE | DEADLOCK_DETECTED => Kind::TryAgain,
        _ => Kind::Database,
    };
    (kind, Some(hint))
}

/// The SQLSTATE of the server's error in the chain, for callers that treat one code differently.
#[must_use]
pub fn sqlstate_of(error: &Error) -> Option<&str> {
    server_error_of(error).map(|server| server.sqlstate.as_str())
}

/// The server's error in the chain.
#[must_use]
pub fn server_error_of(error: &Error) -> Option<&ServerError> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(server) = error.downcast_ref::<ServerError>() {
            return Some(server);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{ServerError, classify, sqlstate_of};

    fn server(sqlstate: &str) -> ServerError {
        let (message, detail) = ("no".to_owned(), Some("row 1".to_owned()));
        ServerError { sqlstate: sqlstate.to_owned(), message, detail, hint: None, constraint: None }
    }

    #[test]
    fn a_conflict_with_recovery_may_pass_and_says_how_it_is_avoided() {
        for sqlstate in ["40001", "57P01"] {
            let message = "terminating connection due to conflict with recovery".to_owned();
            let error = ServerError { message, ..server(sqlstate) }.while_doing("read rows");
            assert_eq!(error.kind(), Kind::TryAgain);
            assert!(error.help().unwrap().contains("hot_standby_feedback"));
        }
    }

    #[test]
    fn lost_connections_missing_rights_and_locks_are_told_apart() {
        for sqlstate in ["08006", "57P01", "57P02", "57P03"] {
            assert_eq!(classify(sqlstate).0, Kind::Database, "{sqlstate}");
            assert!(classify(sqlstate).1.is_some(), "{sqlstate}");
        }
        assert!(classify("28000").1.unwrap().contains("the user's name"));
        assert!(classify("42501").1.unwrap().contains("grant"));
        assert_eq!(classify("55P03").0, Kind::TryAgain);
        assert_eq!(classify("22012"), (Kind::Database, None));
    }

    #[test]
    fn the_code_is_found_at_the_end_of_the_chain() {
        let error = server("42501").while_doing("lock 3 tables").while_doing("back up shop");
        assert_eq!(sqlstate_of(&error), Some("42501"));
        assert_eq!(error.chain(), "back up shop: lock 3 tables: no (SQLSTATE 42501), row 1");
        assert!(error.help().unwrap().contains("grant"));
    }
}
