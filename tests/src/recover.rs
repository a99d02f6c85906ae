//! `recover.py`, which opens a backup without Lifeboat.

use std::path::Path;
use std::process::Command;

use crate::scratch;
use crate::servers::installation::in_venv;

/// `recover.py` of the repository, in [`python`].
pub fn recover_py() -> Command {
    python(&scratch::workspace().join("crates/backup/recover.py"))
}

/// A program in the tests' own Python, which has `cryptography`.
pub fn python(program: &Path) -> Command {
    let mut command = Command::new(in_venv("bin/python"));
    command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").arg(program);
    command
}
