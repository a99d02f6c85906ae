//! The example of a service that embeds the library does what it says.

use std::process::Command;

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{Major, fixtures, lifeboat, scratch, unused_name};
use tempfile::TempDir;

#[test]
fn the_embedding_example_backs_up_and_restores() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Of the workspace, with the features that everything in it was built with: one package would be built anew.
    build.args(["build", "--quiet", "--workspace", "--example", "embed"]).current_dir(scratch::workspace());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(scratch::exclusively("build", || build.status().unwrap()).success());

    let folder = TempDir::new().unwrap();
    let original = fixtures::small(Major::V15);
    let restored = original.server.adopt(&unused_name("embedded"));
    let store = format!("file://{}", folder.path().display());
    let output = Command::new(lifeboat::built().join("examples/embed"))
        .args([&store, &original.socket_dsn(), &restored.socket_dsn()])
        .env_clear()
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("dump the rows") && told.contains("restore definitions"), "{told}");
    assert_same(&original, &restored);
}
