//! A stand-in for `docker exec`, for tests of `tools_prefix`.
//!
//! It does what matters of the real one: the tool runs with the container's environment and not the caller's, sees
//! the container's own socket, and lives on when the `docker exec` in front of it is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::servers::postgres::Postgres;

/// The name of the container.
pub const CONTAINER: &str = "db";

/// A folder with an executable `docker`.
#[derive(Debug)]
pub struct Docker {
    folder: TempDir,
}

impl Docker {
    /// A `docker` whose only container, [`CONTAINER`], runs `server`.
    pub fn with(server: &Postgres) -> Docker {
        let folder = TempDir::new().unwrap();
        let script = script(folder.path(), server);
        let program = folder.path().join("docker");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Docker { folder }
    }

    /// The path of the script.
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("docker")
    }

    /// `["…/docker", "exec", "-i", "db"]`.
    pub fn prefix(&self) -> Vec<String> {
        [self.program().to_str().expect("a temporary path is UTF-8"), "exec", "-i", CONTAINER].map(str::to_owned).into()
    }

    /// The arguments of each call so far, in the order of their start, one string of shell words each.
    pub fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The environment each tool saw, all calls together.
    pub fn environments(&self) -> String {
        fs::read_to_string(self.folder.path().join("environments")).unwrap_or_default()
    }
}

fn script(folder: &Path, server: &Postgres) -> String {
    let environment: Vec<_> = server.client_environment("postgres");
    let environment: Vec<_> = environment.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    include_str!("docker.sh")
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@CONTAINER@", CONTAINER)
        .replace("@ENVIRONMENT@", &environment.join(" "))
}
