//! Why a connection could not be made, told apart so that the operator knows where to look.

use std::error::Error as StdError;
use std::io;

use lifeboat_core::{Error, Kind};
use rustls::CertificateError;

use super::settings::{Endpoint, Host};
use super::sqlstate::ServerError;
use super::sqlstate::{
    ADMIN_SHUTDOWN, CANNOT_CONNECT_NOW, CRASH_SHUTDOWN, INVALID_AUTHORIZATION, INVALID_PASSWORD, PROTOCOL_VIOLATION,
    TOO_MANY_CONNECTIONS, UNDEFINED_DATABASE,
};

/// A failed attempt at one server.
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) error: Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    UnknownHost,
    ResolverDown,
    Refused,
    TimedOut,
    Unreachable,
    NoSocket,
    NoAccess,
    Cut,
    NoTls,
    Untrusted,
    WrongName,
    Expired,
    Tls,
    NoPassword,
    Login,
    WrongPassword,
    NotAdmitted,
    NoDatabase,
    Full,
    NotReady,
    Pooler,
    WrongState,
    Stranger,
    Server,
    Other,
}

pub(super) const POOLER_HINT: &str = "connect to the server's own port, past the connection pooler: through one, snapshots, \
                                      locks and settings end up in other clients' sessions";

impl Cause {
    /// Whether the same attempt may succeed in a while.
    pub(super) fn may_pass(self) -> bool {
        matches!(
            self,
            Self::ResolverDown
                | Self::Refused
                | Self::TimedOut
                | Self::Unreachable
                | Self::NoSocket
                | Self::Cut
                | Self::Full
                | Self::NotReady
        )
    }

    /// Whether an attempt with TLS instead of without, or the other way round, may succeed.
    pub(super) fn depends_on_tls(self) -> bool {
        matches!(self, Self::NoTls | Self::Untrusted | Self::WrongName | Self::Expired | Self::Tls | Self::NotAdmitted)
    }

    fn doing(self, host: &Host) -> String {
        let name = &host.endpoint;
        match self {
            Self::UnknownHost | Self::ResolverDown => format!("find the address of the host {name}"),
            Self::Refused => format!("reach {host}, which refuses connections"),
            Self::TimedOut => format!("reach {host}, which does not answer"),
            Self::Unreachable => format!("reach {host}"),
            Self::NoSocket => format!("find the server's socket at {host}"),
            Self::NoAccess => format!("open the server's socket at {host}"),
            Self::Cut => format!("log in at {host}, which closed the connection"),
            Self::NoTls => format!("use TLS with {host}, which does not speak it"),
            Self::Untrusted => format!("trust the certificate of {host}"),
            Self::WrongName => format!("find the name {name} in the certificate of {host}"),
            Self::Expired => format!("accept the certificate of {host} at this time"),
            Self::Tls => format!("use TLS with {host}"),
            Self::NoPassword => format!("log in at {host} without a password"),
            Self::Login | Self::WrongPassword => format!("log in at {host} with this password"),
            Self::NotAdmitted => format!("be let in at {host}"),
            Self::NoDatabase => format!("find the database at {host}"),
            Self::Full => format!("get one of the connections of {host}"),
            Self::NotReady => format!("find {host} ready"),
            Self::Pooler => format!("use {host}, which is a connection pooler"),
            Self::WrongState => format!("use {host}"),
            Self::Stranger => format!("understand what answers at {host}"),
            Self::Server | Self::Other => format!("open a session at {host}"),
        }
    }

    /// Hints for what the server has not answered; its answers bring their own.
    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownHost => "check the spelling of the host, and that this host's resolver knows it",
            Self::ResolverDown => "the resolver of this host does not answer",
            Self::Refused => "check the port, listen_addresses, and that the server runs",
            Self::TimedOut | Self::Unreachable => {
                "look for a firewall or a wrong address; connect_timeout sets the limit"
            }
            Self::NoSocket => "check that the server runs and that host is its socket directory",
            Self::NoAccess => "this user may not open the socket",
            Self::Cut => "the server may be restarting, or something else listens on this port",
            Self::NoTls => "set ssl = on in the server, or ask for less with sslmode=prefer",
            Self::Untrusted => {
                "set sslrootcert to the certificate of the authority that signed it, or to its own if it signed itself"
            }
            Self::WrongName => {
                "connect by a name that is in the certificate's subjectAltName, or set sslmode=verify-ca"
            }
            Self::Expired => "renew the server's certificate, or correct this host's clock",
            Self::NoPassword => "set PGPASSWORD, or a line in ~/.pgpass that others cannot read",
            Self::Pooler => POOLER_HINT,
            Self::Stranger => "something other than Postgres may listen on this port",
            _ => return None,
        })
    }
}

impl Failure {
    pub(super) fn new(cause: Cause, host: &Host, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = Error::new(Kind::Database, cause.doing(host)).caused_by(source);
        Self { cause, error: with_hint(error, cause.hint()) }
    }

    pub(super) fn timed_out(host: &Host) -> Self {
        let cause = Cause::TimedOut;
        Self { cause, error: with_hint(Error::new(Kind::Database, cause.doing(host)), cause.hint()) }
    }

    pub(super) fn unresolved(host: &Host, error: io::Error) -> Self {
        let passing = error.to_string().contains("Temporary failure");
        Self::new(if passing { Cause::ResolverDown } else { Cause::UnknownHost }, host, error)
    }

    pub(super) fn from_postgres(host: &Host, error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::new(cause_of(&error, host), host, ours(error));
        };
        let server = ServerError::from(db);
        let cause = cause_by_sqlstate(&server);
        if cause == Cause::Pooler {
            return Self::new(cause, host, server);
        }
        Self { cause, error: server.while_doing(cause.doing(host)) }
    }

    /// A session that opened and then could not be set up.
    pub(super) fn after_login(error: Error) -> Self {
        Self { cause: Cause::Other, error }
    }
}

fn with_hint(error: Error, hint: Option<&str>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The innermost part of the driver's error that says something: its own layers repeat what we say.
fn ours(error: tokio_postgres::Error) -> Box<dyn StdError + Send + Sync> {
    if error.source().is_none() {
        return error.into();
    }
    error.into_source().unwrap_or_else(|| "connection closed".into())
}

fn cause_by_sqlstate(error: &ServerError) -> Cause {
    match error.sqlstate.as_str() {
        INVALID_PASSWORD => Cause::WrongPassword,
        INVALID_AUTHORIZATION => Cause::NotAdmitted,
        UNDEFINED_DATABASE => Cause::NoDatabase,
        TOO_MANY_CONNECTIONS => Cause::Full,
        ADMIN_SHUTDOWN | CRASH_SHUTDOWN | CANNOT_CONNECT_NOW => Cause::NotReady,
        PROTOCOL_VIOLATION if error.message.contains("unsupported startup parameter") => Cause::Pooler,
        _ => Cause::Server,
    }
}

/// The driver has no public kinds: its own types are looked for first, its texts where it has no type.
fn cause_of(error: &tokio_postgres::Error, host: &Host) -> Cause {
    if error.to_string() == "authentication error" {
        return Cause::Login;
    }
    let source = error.source();
    if let Some(io) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
        return cause_by_io(io, host);
    }
    match source.map(ToString::to_string).as_deref() {
        Some("server does not support TLS") => Cause::NoTls,
        Some("password missing") => Cause::NoPassword,
        _ if error.is_closed() => Cause::Cut,
        _ => Cause::Other,
    }
}

fn cause_by_io(error: &io::Error, host: &Host) -> Cause {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return cause_by_tls(tls);
    }
    let socket = matches!(host.endpoint, Endpoint::Socket(_));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::NotFound if socket => Cause::NoSocket,
        io::ErrorKind::PermissionDenied if socket => Cause::NoAccess,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Cause::Cut,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => Cause::Stranger,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Cause::Unreachable,
        _ => Cause::Other,
    }
}

fn cause_by_tls(error: &rustls::Error) -> Cause {
    let rustls::Error::InvalidCertificate(objection) = error else { return Cause::Tls };
    match objection {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Cause::WrongName,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Cause::Expired,
        _ => Cause::Untrusted,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Cause, Failure, cause_by_io, cause_by_sqlstate};
    use crate::postgres::settings::{Endpoint, Host};
    use crate::postgres::sqlstate::ServerError;

    fn host() -> Host {
        Host { endpoint: Endpoint::Name("db".into()), address: None, port: 5432 }
    }

    fn answered(sqlstate: &str, message: &str) -> Cause {
        let (sqlstate, message) = (sqlstate.to_owned(), message.to_owned());
        cause_by_sqlstate(&ServerError { sqlstate, message, detail: None, hint: None, constraint: None })
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for sqlstate in ["53300", "57P03"] {
            assert!(answered(sqlstate, "").may_pass(), "{sqlstate}");
        }
        for sqlstate in ["28P01", "28000", "3D000", "08P01"] {
            assert!(!answered(sqlstate, "unsupported startup parameter: options").may_pass(), "{sqlstate}");
        }
        for cause in [Cause::Untrusted, Cause::WrongName, Cause::NoTls, Cause::UnknownHost] {
            assert!(!cause.may_pass(), "{cause:?}");
        }
    }

    #[test]
    fn a_pooler_is_told_by_what_it_does_not_support() {
        assert_eq!(answered("08P01", "unsupported startup parameter: options"), Cause::Pooler);
        assert_eq!(answered("08P01", "invalid frontend message"), Cause::Server);
    }

    #[test]
    fn failures_below_postgres_are_told_apart() {
        let cause = |kind: io::ErrorKind| cause_by_io(&kind.into(), &host());
        assert_eq!(cause(io::ErrorKind::ConnectionRefused), Cause::Refused);
        assert_eq!(cause(io::ErrorKind::UnexpectedEof), Cause::Cut);
        let name = rustls::Error::from(rustls::CertificateError::NotValidForName);
        assert_eq!(cause_by_io(&io::Error::new(io::ErrorKind::InvalidData, name), &host()), Cause::WrongName);
        let chain = Failure::new(Cause::Refused, &host(), io::Error::from_raw_os_error(111)).error.chain();
        assert!(chain.starts_with("reach db:5432, which refuses connections: "), "{chain}");
    }
}
