//! What is backed up: a database, its name in the store, and how it is reached.

use std::ffi::OsString;
use std::path::PathBuf;

use lifeboat_core::Name;

use crate::postgres::ConnectionSettings;

/// A database to back up.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in the store.
    pub name: Name,
    /// How it is reached.
    pub reach: Reach,
    /// How it is dumped, where that differs from the run's other databases.
    pub method: Option<MethodChoice>,
}

impl Source {
    /// A database that is dumped as the run's options say.
    #[must_use]
    pub fn new(name: Name, reach: Reach) -> Self {
        Self { name, reach, method: None }
    }
}

/// Which method dumps a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MethodChoice {
    /// `parallel` where the server allows it, else `stream`; the run says why.
    #[default]
    Auto,
    /// One `pg_dump`.
    Stream,
    /// Several connections; refused where the server does not allow it.
    Parallel,
}

/// How a database and its client tools are reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// By a connection of our own; the tools run on this host.
    Direct {
        /// Where and as whom.
        settings: Box<ConnectionSettings>,
        /// The folder with the client tools; looked for in the usual places without one.
        tools_dir: Option<PathBuf>,
    },
    /// Through a program that runs every tool where the server is, as `docker exec -i db` does.
    Prefixed {
        /// The program and its arguments.
        prefix: Vec<String>,
        /// The database's own name.
        dbname: String,
        /// The role, where it is not the one the tools would choose.
        user: Option<String>,
        /// The program's whole environment, such as `PATH` and `DOCKER_HOST`. Secrets do not belong here.
        environment: Vec<(OsString, OsString)>,
    },
}

impl Reach {
    /// Where the database is, for messages.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Direct { settings, .. } => settings.display(),
            // The first word only: the others may name hosts and accounts.
            Self::Prefixed { prefix, dbname, .. } => {
                format!("{dbname} through {}", prefix.first().map_or("the tools", String::as_str))
            }
        }
    }
}
