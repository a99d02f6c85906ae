//! Every script of `examples/` is one that bash reads, and one that shellcheck, where it is installed, has nothing to say about.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use lifeboat_tests::scratch;

use crate::products::ALL;

pub(crate) fn all() -> Vec<PathBuf> {
    let shared = scratch::workspace().join("examples/scratch-container.sh");
    ALL.into_iter().map(|product| product.file("smoke.sh")).chain([shared]).collect()
}

#[test]
fn every_script_can_be_run_and_read() {
    for script in all() {
        assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o111, 0o111, "{}", script.display());
        let output = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    match Command::new("shellcheck").args(all()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn every_script_stops_at_the_first_error_and_names_the_scratch_database_it_needs() {
    for script in all() {
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.contains("\nset -euo pipefail\n"), "{}", script.display());
        assert!(text.contains("trap finish EXIT") && text.contains("trap 'exit 143' TERM"), "{}", script.display());
    }
    for product in ALL {
        let output = Command::new(product.file("smoke.sh")).env_remove("DATABASE_URL").output().unwrap();
        assert!(!output.status.success(), "{}", product.name);
        assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"), "{}", product.name);
    }
}
