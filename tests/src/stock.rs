//! What stock tools make of a backup: no line of Lifeboat reads it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::compare::assert_same_but_settings;
use crate::servers::postgres::Database;

/// What the `gunzip` of the system makes of concatenated objects.
pub fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gunzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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

/// The names of the script's objects, read from the manifest as plain JSON.
pub fn script_objects(manifest: &[u8]) -> Vec<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    let objects = manifest["script"].as_array().unwrap();
    objects.iter().map(|object| object["name"].as_str().unwrap().to_owned()).collect()
}
