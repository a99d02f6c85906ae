//! The Postgres servers that are installed on this machine.

use std::path::{Path, PathBuf};

use lifeboat_core::{Error, Kind, Result};
use tokio::process::Command;

/// The programs of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Their folder.
    pub bin: PathBuf,
    /// Major version.
    pub major: u32,
    /// As `postgres --version` has it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
}

/// Every server of this machine: those in `folders` first, then those where packages put them; each major version once.
pub async fn installed(folders: &[PathBuf]) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    for bin in folders.iter().cloned().chain(packaged()) {
        if let Some(installation) = Installation::at(&bin).await
            && found.iter().all(|known| known.major != installation.major)
        {
            found.push(installation);
        }
    }
    found.sort_by_key(|installation| installation.major);
    found
}

impl Installation {
    /// What is installed in this folder; `None` without a server and initdb.
    pub async fn at(bin: &Path) -> Option<Self> {
        if !["initdb", "postgres"].iter().all(|tool| bin.join(tool).is_file()) {
            return None;
        }
        let mut command = Command::new(bin.join("postgres"));
        let output = command.arg("--version").env_clear().current_dir("/").kill_on_drop(true).output().await.ok()?;
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = line.split_once("(PostgreSQL)")?.1.trim().to_owned();
        let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { bin: bin.to_owned(), major, version })
    }

    /// The path of one of its programs.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// The server to restore a backup of major version `source` on: that of the same version, or the next newer one, or the one
/// that is `asked` for.
pub(super) fn choose(installed: &[Installation], source: Option<u32>, asked: Option<u32>) -> Result<Installation> {
    if let (Some(source), Some(asked)) = (source, asked)
        && asked < source
    {
        return Err(Error::new(Kind::Config, format!("restore a backup of PostgreSQL {source} into {asked}"))
            .hint("Postgres restores into the same or a later major version"));
    }
    let fits = |installation: &&Installation| match (asked, source) {
        (Some(asked), _) => installation.major == asked,
        (None, Some(source)) => installation.major >= source,
        (None, None) => true,
    };
    let mut fitting = installed.iter().filter(fits);
    // Of an unknown version: the newest reads them all.
    let chosen = if source.is_none() { fitting.next_back() } else { fitting.next() };
    chosen.cloned().ok_or_else(|| missing(installed, source, asked))
}

fn missing(installed: &[Installation], source: Option<u32>, asked: Option<u32>) -> Error {
    let wanted = match (asked, source) {
        (Some(asked), _) => format!("PostgreSQL {asked}"),
        (None, Some(source)) => format!("PostgreSQL {source} or newer"),
        (None, None) => "PostgreSQL".to_owned(),
    };
    let majors: Vec<_> = installed.iter().map(|installation| installation.major.to_string()).collect();
    let found = if majors.is_empty() { "none is installed".to_owned() } else { format!("found {}", majors.join(", ")) };
    let package = asked.or(source).map_or_else(|| "postgresql".to_owned(), |major| format!("postgresql-{major}"));
    Error::new(Kind::Tool, format!("find a server of {wanted} on this machine: {found}"))
        .hint(format!("install {package}, or name the folder of its programs"))
}

/// Where Debian's, Red Hat's, Alpine's and Homebrew's packages put servers, and a build of one's own.
fn packaged() -> Vec<PathBuf> {
    let versioned = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/libexec", "postgresql", ""),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
    ];
    let mut folders: Vec<_> = versioned.iter().flat_map(|(root, prefix, bin)| with_number(root, prefix, bin)).collect();
    folders.push("/usr/local/pgsql/bin".into());
    folders
}

/// `root/prefix15/bin`, for every number that is there.
fn with_number(root: &str, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    });
    named.map(|entry| entry.path().join(bin)).collect()
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{Installation, choose};

    fn installed(majors: &[u32]) -> Vec<Installation> {
        let installation =
            |major: &u32| Installation { bin: "/x".into(), major: *major, version: format!("{major}.1") };
        majors.iter().map(installation).collect()
    }

    fn chosen(majors: &[u32], source: Option<u32>, asked: Option<u32>) -> Result<u32, Kind> {
        choose(&installed(majors), source, asked).map(|found| found.major).map_err(|error| error.kind())
    }

    #[test]
    fn the_same_major_goes_before_the_next_newer_one() {
        assert_eq!(chosen(&[15, 16, 18], Some(16), None), Ok(16));
        assert_eq!(chosen(&[15, 17, 18], Some(16), None), Ok(17));
        assert_eq!(chosen(&[15, 18], None, None), Ok(18));
    }

    #[test]
    fn a_rehearsal_of_an_upgrade_takes_the_major_that_is_asked_for() {
        assert_eq!(chosen(&[15, 17, 18], Some(15), Some(18)), Ok(18));
        assert_eq!(chosen(&[15, 17], Some(15), Some(18)), Err(Kind::Tool));
        assert_eq!(chosen(&[15, 18], Some(18), Some(15)), Err(Kind::Config));
    }

    #[test]
    fn a_backup_of_a_newer_major_than_any_that_is_installed_names_what_to_install() {
        let error = choose(&installed(&[14, 15]), Some(18), None).unwrap_err();
        assert_eq!(error.kind(), Kind::Tool);
        assert_eq!(error.to_string(), "find a server of PostgreSQL 18 or newer on this machine: found 14, 15");
        assert!(error.help().unwrap().contains("install postgresql-18"));
        assert_eq!(chosen(&[], None, None), Err(Kind::Tool));
    }
}
