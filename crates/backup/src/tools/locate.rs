//! Finds the client tools of one major version.
//!
//! Debian's `/usr/bin/pg_dump` is a script that picks a version by its own rules, so the real folders come first.

use std::path::{Path, PathBuf};

use lifeboat_core::{Error, Kind, Result};
use tokio::process::Command;

/// A folder whose `pg_dump` is of the major version, and that pg_dump's version line.
pub(crate) async fn find(major: u32, configured: Option<&Path>) -> Result<(PathBuf, String)> {
    let mut seen = Vec::new();
    for folder in folders(major, configured) {
        let Some(line) = version_line(&folder.join("pg_dump")).await else { continue };
        if major_of(&line) == Some(major) {
            return Ok((folder, line));
        }
        seen.push(format!("{} in {}", line, folder.display()));
    }
    Err(missing(major, &seen))
}

fn folders(major: u32, configured: Option<&Path>) -> Vec<PathBuf> {
    if let Some(folder) = configured {
        return vec![folder.to_owned()];
    }
    let mut folders = vec![
        PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
        PathBuf::from(format!("/usr/pgsql-{major}/bin")),
        PathBuf::from(format!("/usr/lib/postgresql{major}/bin")),
        PathBuf::from(format!("/opt/homebrew/opt/postgresql@{major}/bin")),
    ];
    folders.extend(["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    folders
}

async fn version_line(pg_dump: &Path) -> Option<String> {
    let output = Command::new(pg_dump).arg("--version").env_clear().kill_on_drop(true).output().await.ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// The major version in a line such as `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
pub(super) fn major_of(line: &str) -> Option<u32> {
    let number = line.split_once("(PostgreSQL)")?.1.trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn missing(major: u32, seen: &[String]) -> Error {
    let found = if seen.is_empty() { "none was found".to_owned() } else { format!("found {}", seen.join(", ")) };
    Error::new(Kind::Tool, format!("find pg_dump of PostgreSQL {major}: {found}")).hint(format!(
        "install postgresql-client-{major}, name its folder by tools_dir, or run the tools where they are by tools_prefix"
    ))
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_major_version_is_read_from_what_the_tools_print() {
        assert_eq!(major_of("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("pg_dump (PostgreSQL) 19devel"), Some(19));
        assert_eq!(major_of("psql: not found"), None);
    }
}
