//! Where a database is and how it is reached: the settings of one connection.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::Result;
use secrecy::SecretString;

use super::environment::Environment;
use super::parameters::Parameters;
use super::pgpass::{self, Wanted};
use super::ssl::SslSettings;

/// The settings of a connection, as libpq understands them. `Debug` shows no password, and nothing serialises one.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// The servers to try, in order; never empty.
    pub hosts: Vec<Host>,
    /// The user to log in as.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// TLS.
    pub ssl: SslSettings,
    /// Command-line options for the server's session, such as `-c work_mem=1GB`; empty for none.
    pub options: String,
    /// How long one attempt at one address may take, login included; `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    /// What finds out that the peer is gone.
    pub keepalives: Keepalives,
    /// Which of the servers will do.
    pub target: TargetSession,
    pub(super) password: Option<Arc<SecretString>>,
    pub(super) passfile: Option<PathBuf>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name or socket directory; the name is what its certificate must show.
    pub endpoint: Endpoint,
    /// The address to connect to instead of resolving the name.
    pub address: Option<IpAddr>,
    /// The port, also part of a socket's file name.
    pub port: u16,
}

/// How a server is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or an IP address.
    Name(String),
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

/// TCP keepalives. Not those of the system: a firewall forgets an idle connection long before its two hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent.
    pub enabled: bool,
    /// Idle time before the first one.
    pub idle: Duration,
    /// Time between two.
    pub interval: Duration,
    /// How many may go unanswered.
    pub count: u32,
    /// How long sent data may go unacknowledged.
    pub user_timeout: Duration,
}

/// Which state a server must be in, `target_session_attrs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSession {
    /// Any.
    #[default]
    Any,
    /// Sessions may write.
    ReadWrite,
    /// Sessions may not write.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// In recovery if there is one, else any.
    PreferStandby,
}

impl ConnectionSettings {
    /// Reads a `postgresql://` URI, `key=value` pairs or the bare name of a database; what the text leaves out comes
    /// from the connection service that text or `PGSERVICE` names, then from `environment` (`PGHOST` …, `USER`, and `HOME` for `~/.pgpass` and `~/.postgresql`), then from libpq's
    /// defaults.
    ///
    /// # Errors
    /// [`lifeboat_core::Kind::Config`] for a text that cannot be read, a parameter that is unknown (it is named) and
    /// a value that makes no sense. No error holds the text itself.
    pub fn parse(text: &str, environment: &Environment<'_>) -> Result<Self> {
        Parameters::read(text, environment)?.into_settings(environment)
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_dbname(&self, dbname: &str) -> Self {
        Self { dbname: dbname.to_owned(), ..self.clone() }
    }

    /// The same settings for this one server only.
    #[must_use]
    pub fn pinned_to(&self, host: Host) -> Self {
        Self { hosts: vec![host], target: TargetSession::Any, ..self.clone() }
    }

    /// The same settings with this password.
    #[must_use]
    pub fn with_password(&self, password: SecretString) -> Self {
        Self { password: Some(Arc::new(password)), ..self.clone() }
    }

    /// `user@host:port/dbname`, for messages.
    #[must_use]
    pub fn display(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.dbname)
    }

    /// The password for one of the servers: the one that was given, else the password file's.
    #[must_use]
    pub fn password_for(&self, host: &Host) -> Option<Arc<SecretString>> {
        if let Some(password) = &self.password {
            return Some(password.clone());
        }
        let name = host.endpoint.to_string();
        let wanted = Wanted { host: &name, port: host.port, dbname: &self.dbname, user: &self.user };
        pgpass::look_up(self.passfile.as_deref()?, wanted).map(Arc::new)
    }
}

impl Default for Keepalives {
    fn default() -> Self {
        Self {
            enabled: true,
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            count: 3,
            user_timeout: Duration::from_secs(60),
        }
    }
}

impl TargetSession {
    pub(super) const ALL: [Self; 6] =
        [Self::Any, Self::ReadWrite, Self::ReadOnly, Self::Primary, Self::Standby, Self::PreferStandby];

    /// The setting as libpq writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    /// Whether a server in this state will do.
    #[must_use]
    pub fn accepts(self, in_recovery: bool, read_only: bool) -> bool {
        match self {
            Self::Any => true,
            Self::ReadWrite => !read_only,
            Self::ReadOnly => read_only,
            Self::Primary => !in_recovery,
            Self::Standby | Self::PreferStandby => in_recovery,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            endpoint => write!(f, "{endpoint}:{}", self.port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Socket(directory) => write!(f, "{}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests;
