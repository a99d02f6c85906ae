//! Runs gpg. A passphrase comes to it as the first line of its input (`--passphrase-fd 0`), so that it is in no file and no argument,
//! and gpg has a home of its own: of the operator's it needs the keys only where there is no passphrase to open the file.

use std::ffi::OsString;
use std::process::Command;

use lifeboat_core::{Error, Kind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::ForeignOptions;
use super::flow::Flow;
use super::form::Form;
use super::program::{Program, Said};
use super::remarks::Remarks;
use crate::private_folder::{PrivateFolder, Purpose};
use crate::program_path::PROGRAM_PATH;

/// What `sealed` decrypts to.
///
/// # Errors
/// [`Kind::WrongKey`] where a passphrase is needed and none was given; [`Kind::Tool`] without gpg.
pub(super) fn decrypted(
    sealed: Box<dyn Flow>,
    form: Form,
    options: &ForeignOptions,
    remarks: &Remarks,
) -> Result<Program> {
    if form == Form::GpgPassphrase && options.passphrase.is_none() {
        return Err(Error::new(Kind::WrongKey, "open what gpg has encrypted: no passphrase was given")
            .hint("give --passphrase env:NAME, file:/path, credential:NAME or command:[…]"));
    }
    let home = PrivateFolder::make(&options.spool_dir, Purpose::Gpg)?;
    let mut command = Command::new("gpg");
    command.env_clear().env("PATH", PROGRAM_PATH).env("LC_ALL", "C").args([
        "--batch",
        "--no-tty",
        "--quiet",
        "--no-symkey-cache",
        "--status-fd",
        "2",
    ]);
    if form == Form::GpgPassphrase {
        command.arg("--homedir").arg(home.path());
    } else {
        command.envs(options.gpg_environment.iter().map(|(name, value): &(OsString, OsString)| (name, value)));
    }
    command.arg("--decrypt");
    let remarks = remarks.clone();
    let judge = Box::new(move |said: &Said| judge(said, &remarks));
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

/// gpg ends without success also where it could not look at a signature, after it decrypted all of a file and proved it.
fn judge(said: &Said, remarks: &Remarks) -> Option<(Kind, &'static str)> {
    let has = |text: &str| said.words.iter().any(|line| line.contains(text));
    let tells = |word: &str| said.status.iter().any(|line| line.split(' ').next() == Some(word));
    if tells("GOODMDC") && tells("ERRSIG") && !FAILURES.iter().any(|word| tells(word)) {
        remarks.add(UNCHECKED);
        return None;
    }
    if has("Bad session key") || has("Bad passphrase") || has("No passphrase given") {
        return Some((Kind::WrongKey, "the passphrase is another one"));
    }
    if has("No secret key") || has("secret key not available") {
        return Some((
            Kind::WrongKey,
            "it is encrypted to a public key: gpg needs the private one, in the home of whoever runs this",
        ));
    }
    if has("not integrity protected") && !CUT.iter().any(|text| has(text)) {
        return Some((Kind::Policy, UNPROTECTED));
    }
    Some((Kind::Integrity, "the file is cut or damaged: use another one"))
}

/// What the status says of a message that is not as it was made.
const FAILURES: &[&str] = &["BADMDC", "BADSIG", "DECRYPTION_FAILED", "NODATA", "UNEXPECTED"];
/// What it says of a message that ends early, where nothing else tells.
const CUT: &[&str] = &["handle plaintext failed", "read error", "length byte missing", "pending bytes"];
const UNPROTECTED: &str = "gpg decrypted it and cannot tell whether it is as it was: gpg 1 and 2.0 protected nothing with their default \
    cipher, CAST5. Where you trust the file: gpg -d --ignore-mdc-error FILE | lifeboat … -; what is in it is looked at all the same";
const UNCHECKED: &str = "the file is signed, too, and nobody looked by whom: gpg did not have the signer's key, and is given no keys for a \
    file that a passphrase opens. It is whole, and encrypted by whoever knew the passphrase or the public key; gpg -d FILE > /dev/null \
    checks the signature";

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{Remarks, Said, judge};

    fn judged(words: &str, status: &str) -> (Option<Kind>, usize) {
        let lines = |text: &str| text.lines().map(ToOwned::to_owned).collect();
        let remarks = Remarks::default();
        let judged = judge(&Said { words: lines(words), status: lines(status) }, &remarks);
        (judged.map(|(kind, _)| kind), remarks.all().len())
    }

    /// What gpg 2.2.40 says of files that are signed and encrypted, the first one whole.
    #[test]
    fn only_a_file_that_is_proven_may_have_a_signature_that_nobody_checks() {
        let words = "gpg: Signature made Mon Nov 23 04:15:22 2026 UTC\ngpg: Can't check signature: No public key";
        let signature =
            "NEWSIG signer@example.org\nERRSIG CBEC9E93BA88E598 22 8 00 1795407322 9 CA8B\nNO_PUBKEY CBEC9E93BA88E598";
        let end = |proof: &str| format!("BEGIN_DECRYPTION\nPLAINTEXT 62 1 big\n{signature}\n{proof}\nEND_DECRYPTION");
        assert_eq!(judged(words, &end("DECRYPTION_OKAY\nGOODMDC")), (None, 1));
        for proof in
            ["BADMDC\nDECRYPTION_FAILED", "", "DECRYPTION_OKAY", "DECRYPTION_OKAY\nGOODMDC\nBADSIG CBEC9E93BA88E598"]
        {
            assert_eq!(judged(words, &end(proof)), (Some(Kind::Integrity), 0), "{proof}");
        }
        let changed = format!("{words}\ngpg: WARNING: encrypted message has been manipulated!");
        assert_eq!(judged(&changed, &end("BADMDC\nDECRYPTION_FAILED")), (Some(Kind::Integrity), 0));
    }

    #[test]
    fn what_is_not_protected_is_told_from_what_is_cut() {
        let unprotected = "gpg: WARNING: message was not integrity protected\ngpg: decryption forced to fail!";
        assert_eq!(judged(unprotected, "DECRYPTION_FAILED").0, Some(Kind::Policy));
        for cut in ["gpg: handle plaintext failed: No such file or directory", "gpg: block_filter: pending bytes!"] {
            assert_eq!(judged(&format!("{cut}\n{unprotected}"), "DECRYPTION_FAILED").0, Some(Kind::Integrity), "{cut}");
        }
    }
}
