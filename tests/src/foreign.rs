//! Files as scripts all over the world make them: `pg_dump`, and gzip, zstd, gpg and openssl after it, all of them the real tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::servers::postgres::{Database, fed_bytes};

/// What files are encrypted with.
pub const PASSPHRASE: &str = "correct horse 8 battery staple";

/// What a program makes of these bytes; fails the test when it fails.
#[track_caller]
pub fn through(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let name = format!("{command:?}");
    let output = fed_bytes(command, input);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// `gzip`.
pub fn gzip(input: &[u8]) -> Vec<u8> {
    through(Command::new("gzip").arg("-c"), input)
}

/// `zstd`.
pub fn zstd(input: &[u8]) -> Vec<u8> {
    through(Command::new("zstd").args(["-q", "-c"]), input)
}

/// `gpg --symmetric`, in a home of its own.
pub fn gpg(input: &[u8]) -> Vec<u8> {
    let home = TempDir::new().unwrap();
    let passphrase = home.path().join("passphrase");
    fs::write(&passphrase, PASSPHRASE).unwrap();
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home.path()).args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"]);
    command.arg("--passphrase-file").arg(&passphrase).args(["--symmetric", "--cipher-algo", "AES256", "--output", "-"]);
    let sealed = through(&mut command, input);
    end_agent(home.path());
    sealed
}

/// A home of gpg's with a key pair of `drill@example.org`, without a passphrase.
pub fn gpg_home() -> TempDir {
    let home = TempDir::new().unwrap();
    let mut make = Command::new("gpg");
    make.arg("--homedir").arg(home.path()).args([
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--pinentry-mode",
        "loopback",
    ]);
    make.args(["--quick-generate-key", "drill@example.org", "default", "default", "never"]);
    through(&mut make, b"");
    home
}

/// `gpg --encrypt` to the key of such a home.
pub fn gpg_to(home: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home).args(["--batch", "--quiet", "--trust-model", "always"]);
    through(command.args(["--recipient", "drill@example.org", "--encrypt", "--output", "-"]), input)
}

/// Ends the agent that gpg left in a home.
pub fn end_agent(home: &Path) {
    let mut end = Command::new("gpgconf");
    end.arg("--homedir").arg(home).args(["--kill", "gpg-agent"]).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = end.status();
}

/// `openssl enc -aes-256-cbc -pbkdf2`, with these iterations.
pub fn openssl(input: &[u8], iterations: u32) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(["enc", "-aes-256-cbc", "-salt", "-pbkdf2", "-iter", &iterations.to_string(), "-pass", "env:KEY"]);
    through(command.env("KEY", PASSPHRASE), input)
}

/// A folder of files.
#[derive(Debug)]
pub struct Shelf(pub TempDir);

impl Shelf {
    /// An empty one.
    pub fn new() -> Shelf {
        Shelf(TempDir::new().unwrap())
    }

    /// A file with these bytes.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Default for Shelf {
    fn default() -> Shelf {
        Shelf::new()
    }
}

/// A plain dump.
pub fn plain(database: &Database<'_>) -> Vec<u8> {
    database.pg_dump(&[])
}

/// `pg_dump -Fc`.
pub fn custom(database: &Database<'_>) -> Vec<u8> {
    database.pg_dump(&["--format=custom"])
}
