//! Runs gpg. A passphrase comes to it through a pipe with a name in a private folder, and gpg has a home of its own: of the
//! operator's it needs the keys only where there is no passphrase to open the file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustix::fs::{CWD, Mode, mkfifoat};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::flow::Flow;
use super::form::Form;
use super::program::Program;
use super::{Folder, ForeignOptions, Purpose};
use crate::postgres::credentials::DEFAULT_PATH;

/// What `sealed` decrypts to.
///
/// # Errors
/// [`Kind::WrongKey`] where a passphrase is needed and none was given; [`Kind::Tool`] without gpg.
pub(super) fn decrypted(sealed: Box<dyn Flow>, form: Form, options: &ForeignOptions) -> Result<Program> {
    if form == Form::GpgPassphrase && options.passphrase.is_none() {
        return Err(Error::new(Kind::WrongKey, "open what gpg has encrypted: no passphrase was given")
            .hint("give --passphrase env:NAME, file:/path, credential:NAME or command:[…]"));
    }
    let home = Folder::make(&options.spool_dir, Purpose::Gpg)?;
    let mut command = Command::new("gpg");
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C").args([
        "--batch",
        "--no-tty",
        "--quiet",
        "--no-symkey-cache",
    ]);
    if form == Form::GpgPassphrase {
        command.arg("--homedir").arg(home.path());
    } else {
        command.envs(options.gpg_environment.iter().map(|(name, value): &(OsString, OsString)| (name, value)));
    }
    let passphrase = options.passphrase.as_deref();
    let passphrase = passphrase.map(|passphrase| Passphrase::in_folder(home.path(), passphrase)).transpose()?;
    if let Some(passphrase) = &passphrase {
        command.args(["--pinentry-mode", "loopback", "--passphrase-file"]).arg(&passphrase.path);
    }
    command.arg("--decrypt");
    Program::start(command, "gpg", sealed, judge, Box::new((passphrase, home)))
}

/// A name under which gpg reads the passphrase, once: it is in a pipe, and on no disk whatever is killed.
struct Passphrase {
    path: PathBuf,
    /// Open for both: who opens it for one alone waits for the other.
    _pipe: File,
}

impl Passphrase {
    fn in_folder(folder: &Path, passphrase: &SecretString) -> Result<Self> {
        let doing = || "hand a passphrase to gpg".to_owned();
        let path = folder.join("passphrase");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).kind_of(Kind::Failure, doing)?;
        let mut pipe = OpenOptions::new().read(true).write(true).open(&path).kind_of(Kind::Failure, doing)?;
        let line = Zeroizing::new(format!("{}\n", passphrase.expose_secret()));
        if line.len() > PIPE_BYTES {
            return Err(Error::new(Kind::Usage, doing()).hint("a passphrase of gpg has a few hundred bytes at most"));
        }
        pipe.write_all(line.as_bytes()).kind_of(Kind::Failure, doing)?;
        Ok(Self { path, _pipe: pipe })
    }
}

fn judge(said: &str) -> (Kind, &'static str) {
    let has = |text: &str| said.contains(text);
    if has("Bad session key") || has("Bad passphrase") || has("No passphrase given") {
        return (Kind::WrongKey, "the passphrase is another one");
    }
    if has("No secret key") || has("secret key not available") {
        return (
            Kind::WrongKey,
            "it is encrypted to a public key: gpg needs the private one, in the home of whoever runs this",
        );
    }
    (Kind::Integrity, "the file is cut or damaged: use another one")
}

/// What every pipe takes without a reader.
const PIPE_BYTES: usize = 4096;
