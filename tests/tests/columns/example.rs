//! The examples of services whose key is rotated do what they say.

use std::path::PathBuf;
use std::process::Command;

use lifeboat_tests::{Major, Postgres, lifeboat, scratch};

/// Builds an example; where it is.
fn built(example: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Of the workspace, with the features that everything in it was built with: one package would be built anew.
    build.args(["build", "--quiet", "--workspace", "--example", example]);
    build.current_dir(scratch::workspace());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(scratch::exclusively("build", || build.status().unwrap()).success());
    lifeboat::built().join("examples").join(example)
}

#[test]
fn the_example_rotates_under_a_running_writer() {
    let program = built("rotate_online");
    let database = Postgres::shared(Major::V15).database("example");
    let output = Command::new(program).arg(database.socket_dsn()).env_clear().output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("values written meanwhile"), "{told}");
    assert!(told.contains("the new key alone opens all: true") && told.contains("may go"), "{told}");
    assert_eq!(database.psql("SELECT count(*) FROM pg_class WHERE relname = 'lifeboat_example'").trim(), "0");
}

#[test]
fn the_example_of_a_service_opens_what_it_encrypts_with_one_key_and_with_two() {
    let program = built("keyring");
    for old in [None, Some("an old secret")] {
        let mut service = Command::new(&program);
        service.env_clear().env("SECRET_KEY", "a new secret").envs(old.map(|old| ("SECRET_KEY_OLD", old)));
        let output = service.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("7 bytes, under the primary key: true") && told.contains(": v1:"), "{told}");
        assert!(told.contains("nothing to write: already new"), "{told}");
    }
}
