//! A full disk under `file://`.

use std::path::Path;
use std::process::Command;

use lifeboat_tests::{Lifeboat, Outcome};
use tempfile::TempDir;

use crate::signals::staging;
use crate::world::{add_blobs, of, several_tables};

/// A file system of a few MiB; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounting takes root: CI has it, and there it must work.
    fn mount(size: &str) -> Option<SmallDisk> {
        if !rustix::process::getuid().is_root() {
            eprintln!("NOT TESTED: a small file system can be mounted by root only");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "root can mount a file system, but for within a container"
        );
        Some(SmallDisk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn backup_onto(disk: &SmallDisk, mib: u32) -> Outcome {
    let database = several_tables("full");
    add_blobs(&database, mib);
    let url = format!("file://{}", disk.path().display());
    of(Lifeboat::new().args(["backup", "--store", &url]), &database).run()
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    // Too small for an object of several parts, and for one of a single part.
    for (size, mib) in [("20m", 36), ("2m", 6)] {
        let Some(disk) = SmallDisk::mount(size) else { return };
        let outcome = backup_onto(&disk, mib).expect(1);
        assert!(outcome.stderr.contains("free disk space"), "{size}: {}", outcome.stderr);
        assert_eq!(staging(disk.path()), Vec::<String>::new());
        let url = format!("file://{}", disk.path().display());
        let listed = Lifeboat::new().args(["list", "--store", &url]).run().expect(0);
        assert!(!listed.stdout.contains("available"), "{}", listed.stdout);
    }
}
