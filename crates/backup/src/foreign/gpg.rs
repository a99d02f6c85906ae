//! Runs gpg. A passphrase comes to it as the first line of its input (`--passphrase-fd 0`), so that it is in no file and no argument,
//! and gpg has a home of its own: of the operator's it needs the keys only where there is no passphrase to open the file.

use std::ffi::OsString;
use std::process::Command;

use lifeboat_core::{Error, Kind, Result};
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
    command.arg("--decrypt");
    let Some(passphrase) = options.passphrase.as_deref() else {
        return Program::start(command, "gpg", sealed, judge, Box::new(home));
    };
    command.args(["--pinentry-mode", "loopback", "--passphrase-fd", "0"]);
    Program::start(command, "gpg", Box::new(Led::by(passphrase, sealed)), judge, Box::new(home))
}

/// A passphrase on a line of its own, and what it opens behind it.
struct Led {
    line: Zeroizing<Vec<u8>>,
    given: usize,
    sealed: Box<dyn Flow>,
}

impl Led {
    fn by(passphrase: &SecretString, sealed: Box<dyn Flow>) -> Self {
        let line = [passphrase.expose_secret().as_bytes(), b"\n"].concat();
        Self { line: Zeroizing::new(line), given: 0, sealed }
    }
}

impl Flow for Led {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let left = &self.line[self.given..];
        if left.is_empty() {
            return self.sealed.read(into);
        }
        let some = left.len().min(into.len());
        into[..some].copy_from_slice(&left[..some]);
        self.given += some;
        Ok(some)
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
