//! Runs gpg. A passphrase is in a private file for as long as gpg runs, and gpg has a home of its own: of the operator's it needs
//! the keys only where there is no passphrase to open the file.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat_core::{Error, Kind, Result, ResultExt};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::ForeignOptions;
use super::flow::Flow;
use super::form::Form;
use super::program::Program;
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
    let home = Home::make(&options.spool_dir)?;
    let mut command = Command::new("gpg");
    command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C").args(["--batch", "--no-tty", "--quiet"]);
    if form == Form::GpgPassphrase {
        command.arg("--homedir").arg(home.0.path());
    } else {
        command.envs(options.gpg_environment.iter().map(|(name, value): &(OsString, OsString)| (name, value)));
    }
    if let Some(passphrase) = &options.passphrase {
        let file = home.0.path().join("passphrase");
        write_private(&file, passphrase.expose_secret().as_bytes())?;
        command.args(["--pinentry-mode", "loopback", "--passphrase-file"]).arg(file);
    }
    command.arg("--decrypt");
    Program::start(command, "gpg", sealed, judge, Box::new(home))
}

/// A private folder, and whatever gpg starts in it.
struct Home(TempDir);

impl Home {
    fn make(parent: &Path) -> Result<Self> {
        let doing = || format!("make a private folder for gpg in {}", parent.display());
        let mut folder = tempfile::Builder::new();
        folder.prefix("lifeboat-gpg-").permissions(Permissions::from_mode(0o700));
        folder.tempdir_in(parent).kind_of(Kind::Failure, doing).map(Self)
    }
}

impl Drop for Home {
    /// gpg leaves an agent behind, which would notice the end of its home in a minute only.
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        end.env_clear().env("PATH", DEFAULT_PATH).arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]);
        let _ = end.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content)).kind_of(Kind::Failure, || "hand a passphrase to gpg".into())
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
