//! `lifeboat key`: make keys and show their public sides. No command prints a secret.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The commands under `key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Add a random key to a keyring, which is made when it is not there
    Generate(GenerateArgs),
    /// List the keys of the keyring
    List,
    /// Print a key's fingerprint, or that of every key
    Fingerprint(KeyArgs),
    /// Print what goes into recipients: the public half of an x25519 key
    Recipient(KeyArgs),
    /// Print what goes into trusted_signers: the public half of an ed25519 key
    Signer(SignerArgs),
    /// Change a key's state: primary, enabled or retired
    State(StateArgs),
}

/// The key to make.
#[derive(Args, Debug)]
#[command(after_help = GENERATE_HELP)]
pub(crate) struct GenerateArgs {
    /// The new key's id, such as the month: it names the files that the key opens
    #[arg(long, value_name = "ID")]
    pub(crate) id: String,
    /// The keyring: keyring.toml or file:keyring.toml
    #[arg(long, value_name = "FILE", value_parser = keyring_file)]
    pub(crate) out: PathBuf,
    /// What the key is for: aes256 seals and opens, x25519 opens what was sealed to its public half, ed25519 signs
    #[arg(long, value_name = "KIND", default_value = "aes256", value_parser = ["aes256", "x25519", "ed25519"])]
    pub(crate) kind: String,
    /// New backups are sealed or signed with it from now on; the first key of a kind is primary anyway
    #[arg(long)]
    pub(crate) primary: bool,
}

/// The key that is meant.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// Its id in the keyring; without one, every key that fits
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// The signer that is meant, and how it is printed.
#[derive(Args, Debug)]
pub(crate) struct SignerArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Print it as a PEM public key, for tools such as openssl and cosign
    #[arg(long)]
    pub(crate) pem: bool,
}

/// The key that is meant, and its new state.
#[derive(Args, Debug)]
#[command(after_help = STATE_HELP)]
pub(crate) struct StateArgs {
    /// Its id in the keyring
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// primary seals or signs, enabled opens, retired opens with --allow-retired only
    #[arg(value_name = "STATE", value_parser = ["primary", "enabled", "retired"])]
    pub(crate) state: String,
}

/// Elsewhere a keyring is named by a reference: here too it may be.
fn keyring_file(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("file:") {
        Some("") => Err("write the path behind file:".to_owned()),
        Some(path) => Ok(path.into()),
        None if ["env:", "credential:", "command:"].iter().any(|scheme| text.starts_with(scheme)) => {
            Err("a key is written to a file: give its path".to_owned())
        }
        None => Ok(text.into()),
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  The first key, and a backup that is sealed with it:
    lifeboat key generate --id 2026-11 --out keyring.toml
    lifeboat backup --keyring file:keyring.toml
  A new key takes over; rotate backups with it afterwards:
    lifeboat key generate --id 2026-12 --out keyring.toml --primary
  A recovery key, which stays on another machine; what is printed goes into recipients:
    lifeboat key generate --id recovery --kind x25519 --out recovery.toml
    lifeboat key recipient --keyring file:recovery.toml

The primary aes256 key seals, beside recipients, and the primary ed25519 key signs. Every key that is not retired opens \
what was sealed with it or to it.

Whoever has the keyring can read the backups, and without it nobody can: keep a copy in another place.";
const GENERATE_HELP: &str = "\
The file is made readable by its owner only, and replaced whole. Keys in it are never overwritten, comments stay.";
const STATE_HELP: &str = "\
A key that ceases to be primary stays enabled. The primary key is not retired before it has a successor.";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::keyring_file;

    #[test]
    fn a_keyrings_file_may_be_written_as_a_reference() {
        for text in ["keyring.toml", "file:keyring.toml"] {
            assert_eq!(keyring_file(text).unwrap(), Path::new("keyring.toml"));
        }
        for text in ["file:", "env:KEYS", "credential:keys", "command:[]"] {
            assert!(keyring_file(text).is_err(), "{text}");
        }
    }
}
