//! The example of a service that goes on writing while its key is rotated does what it says.

use std::process::Command;

use lifeboat_tests::{Major, Postgres, lifeboat, scratch};

#[test]
fn the_example_rotates_under_a_running_writer() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Of the workspace, with the features that everything in it was built with: one package would be built anew.
    build.args(["build", "--quiet", "--workspace", "--example", "rotate_online"]);
    build.current_dir(scratch::workspace());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(scratch::exclusively("build", || build.status().unwrap()).success());

    let database = Postgres::shared(Major::V15).database("example");
    let program = lifeboat::built().join("examples/rotate_online");
    let output = Command::new(program).arg(database.socket_dsn()).env_clear().output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("values written meanwhile"), "{told}");
    assert!(told.contains("the new key alone opens all: true") && told.contains("may go"), "{told}");
    assert_eq!(database.psql("SELECT count(*) FROM pg_class WHERE relname = 'lifeboat_example'").trim(), "0");
}
