//! Transcripts of the command line, as an operator sees it: `tests/cmd/*.trycmd`.
//!
//! The programs run through a small script that takes away every variable of the caller's, so that a transcript is the
//! same everywhere. `TRYCMD=overwrite` writes what they print now into the transcripts, for the author to read.

#![expect(clippy::unwrap_used, reason = "a test that fails is meant to panic, its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lifeboat_tests::{Major, fixtures, lifeboat};
use tempfile::TempDir;

#[test]
fn the_command_line_speaks_as_written() {
    let (shop, folder) = (fixtures::small(Major::V15), TempDir::new().unwrap());
    let copy = shop.server.adopt(&format!("{}_copy", shop.name));
    let variables = [
        ("DATABASE_URL", shop.dsn()),
        ("TARGET_URL", copy.dsn()),
        ("LIFEBOAT_TOOLS_DIR", shop.server.installation.bin.display().to_string()),
    ];
    let cases = trycmd::TestCases::new();
    for program in ["lifeboat", "lifeboat-backup", "lifeboat-drill", "lifeboat-rotate"] {
        cases.register_bin(program, wrapper(folder.path(), program, &variables).as_path());
    }
    let port = format!("127.0.0.1:{}", shop.server.port());
    cases.insert_var("[COPY]", copy.name.clone()).unwrap();
    cases.insert_var("[SHOP]", shop.name.clone()).unwrap();
    cases.insert_var("[SERVER]", port).unwrap();
    cases.insert_var("[STORE]", folder.path().join("home").display().to_string()).unwrap();
    cases.case("tests/cmd/*.trycmd");
    cases.run();
}

/// A script that runs `program` in an environment of these variables alone.
fn wrapper(folder: &Path, program: &str, variables: &[(&str, String)]) -> PathBuf {
    let home = folder.join("home");
    fs::create_dir_all(&home).unwrap();
    let set: String = variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    let built = lifeboat::built().join(program);
    let text = format!(
        "#!/bin/sh\nexec env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 NO_COLOR=1 COLUMNS=100 HOME='{home}' \
         LIFEBOAT_STORE='file://{home}/store' {set}'{built}' \"$@\" </dev/null\n",
        home = home.display(),
        built = built.display(),
    );
    let script = folder.join(program);
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}
