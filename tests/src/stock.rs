//! What stock tools make of a backup: no line of Lifeboat reads it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::compare::assert_same_but_settings;
use crate::keyring::{self, NOVEMBER};
use crate::recover::recover_py;
use crate::servers::postgres::Database;

/// What the `gunzip` or the `zstd` of the system makes of concatenated objects, whose names end alike.
pub fn decompressed(name: &str, bytes: &[u8]) -> Vec<u8> {
    let program = if name.ends_with(".zst") { "zstd" } else { "gzip" };
    let mut child = Command::new(program).arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    output.stdout
}

/// Feeds a script to stock psql in an empty database; fails the test unless that is then the same as `original`.
#[track_caller]
pub fn assert_psql_makes_it_of(script: &[u8], original: &Database<'_>) {
    let copy = original.server.database("by_hand");
    let output = copy.feed(script);
    assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    assert_same_but_settings(original, &copy);
}

/// The script of a backup whose objects lie in `folder`: `gunzip` or `zstd -d` makes it, or `recover.py` where they are sealed.
pub fn script_in(folder: &Path) -> Vec<u8> {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let objects = manifest["script"].as_array().unwrap().iter();
    let names: Vec<_> = objects.map(|object| object["name"].as_str().unwrap()).collect();
    if names.iter().any(|name| name.ends_with(".sealed")) {
        return recovered(folder);
    }
    decompressed(names[0], &names.iter().flat_map(|name| fs::read(folder.join(name)).unwrap()).collect::<Vec<_>>())
}

fn recovered(folder: &Path) -> Vec<u8> {
    let keys = TempDir::new().unwrap();
    let keyring = keyring::written(keys.path(), &[NOVEMBER]);
    let mut recover = recover_py();
    recover.arg("--keyring").arg(keyring.trim_start_matches("file:")).arg(folder);
    let output = recover.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
