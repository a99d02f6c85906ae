//! Finding and reading the configuration file.

use std::io::ErrorKind;
use std::path::Path;

use lifeboat_core::{Error, Kind, Result};

use super::env_vars;
use super::environment::Environment;

/// The configuration file's path and content.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// Where it is.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl ConfigFile {
    /// Reads the file that `--config` names, else `$LIFEBOAT_CONFIG`, else the usual one. Only the usual one may be
    /// missing.
    ///
    /// # Errors
    /// [`Kind::Config`] when the file cannot be read.
    pub(crate) fn find(flag: Option<&str>, environment: &Environment) -> Result<Option<Self>> {
        match flag.or_else(|| environment.var(env_vars::CONFIG)) {
            Some(path) => read(path).map(Some).map_err(|error| unreadable(path, error)),
            None => match read(USUAL) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                read => read.map(Some).map_err(|error| unreadable(USUAL, error)),
            },
        }
    }
}

fn read(path: &str) -> std::io::Result<ConfigFile> {
    Ok(ConfigFile { path: path.to_owned(), text: std::fs::read_to_string(Path::new(path))? })
}

fn unreadable(path: &str, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::NotFound => "check the path that --config or LIFEBOAT_CONFIG gives",
        _ => "it must be a file of text that the account that runs this can read",
    };
    Error::new(Kind::Config, format!("read the configuration file {path}")).hint(hint).caused_by(error)
}

const USUAL: &str = "/etc/lifeboat/lifeboat.toml";
