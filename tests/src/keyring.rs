//! Keys of the tests, as entries of a keyring.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lifeboat_core::Result;
use lifeboat_core::keys::{DataKey, KeyEntry, KeyId, Keyring};
use lifeboat_core::manifest::StoredObject;

use crate::runtime::run;
use crate::scratch;

/// The primary key of most hosts here.
pub const NOVEMBER: &str = "[[key]]\nid = \"2026-11\"\nkind = \"aes256\"\nstate = \"primary\"\n\
    secret = \"6b0c1f7a93e44d2f8a5be1d07c3946f21e8d5ab4709c63f2d81e4b7a05c9f36d\"\n";

/// [`NOVEMBER`], retired.
pub const NOVEMBER_RETIRED: &str = "[[key]]\nid = \"2026-11\"\nkind = \"aes256\"\nstate = \"retired\"\n\
    secret = \"6b0c1f7a93e44d2f8a5be1d07c3946f21e8d5ab4709c63f2d81e4b7a05c9f36d\"\n";

/// Another key under the id of [`NOVEMBER`].
pub const OTHER_NOVEMBER: &str = "[[key]]\nid = \"2026-11\"\nkind = \"aes256\"\nstate = \"primary\"\n\
    secret = \"d47a60e9b21c58f3074fae96d1385b2c9e07f4618ad35cb290e7461fd8a2c35b\"\n";

/// A key that seals nothing here.
pub const DECEMBER: &str = "[[key]]\nid = \"2026-12\"\nkind = \"aes256\"\nstate = \"primary\"\n\
    secret = \"05e3c98d7a1246bf8035d9ec6f4ab71288c05e9d13f74a6b2e80d957c3ab146f\"\n";

/// The private half of a recipient.
pub const OFFLINE: &str = "[[key]]\nid = \"offline\"\nkind = \"x25519\"\n\
    secret = \"b8f21d5c7e094a63d1c85fe2097b3a64f05c8e17d29b46a3f18d07e5c24b9a60\"\n";

/// Signs.
pub const SIGNER: &str = "[[key]]\nid = \"host\"\nkind = \"ed25519\"\nstate = \"primary\"\n\
    secret = \"2f96c4d80b7e135af6e9028d4c71b53e8a60f7d914ce23b8507d9ea6f13b48c2\"\n";

/// Signs, and is trusted by nobody.
pub const STRANGER: &str = "[[key]]\nid = \"stranger\"\nkind = \"ed25519\"\nstate = \"primary\"\n\
    secret = \"91d07be65fa23c489e0b17d4f86ac3522d9e048b7f615ca3d2e08f419b76c5da\"\n";

/// A keyring of these entries.
pub fn ring(entries: &[&str]) -> Keyring {
    Keyring::parse(&entries.concat(), "the tests' keyring").unwrap()
}

/// What names the public half of [`OFFLINE`], or of [`SIGNER`], in a configuration.
pub fn public(entry: &str) -> String {
    let ring = ring(&[entry]);
    let key: &KeyEntry = &ring.keys()[0];
    let recipient = key.recipient().map(ToString::to_string);
    recipient.or_else(|| key.signer_key().map(ToString::to_string)).expect("it is the half of a pair")
}

/// The id under which the public half of an entry is known.
pub fn public_id(entry: &str) -> String {
    ring(&[entry]).keys()[0].public_id().to_string()
}

/// Writes a keyring of these entries into `folder`; gives the reference that names it.
pub fn written(folder: &Path, entries: &[&str]) -> String {
    let text = entries.concat();
    let path = folder.join(format!("keyring-{:08x}.toml", scratch::fnv1a(text.as_bytes())));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    format!("file:{}", path.display())
}

/// What whoever holds these entries gets from wraps: the data key of `owner`, a backup or a run.
pub fn data_key(owner: &str, entries: &[&str], read: impl Fn(&KeyId) -> Vec<u8> + Sync) -> DataKey {
    let keys = ring(entries).open_keys(true);
    let ids: Vec<_> = keys.keys.iter().map(|key| key.id().clone()).collect();
    let read = &read;
    run(keys.open(owner, &ids, |id| async move { Ok(read(&id)) })).unwrap().0
}

/// The gzip bytes of a sealed object of `owner`.
pub fn opened(key: &DataKey, owner: &str, object: &StoredObject, stored: &[u8]) -> Result<Vec<u8>> {
    let header = object.seal.as_ref().expect("the object is sealed");
    let (mut opener, mut gzip) = (key.opener(owner, &object.name, header)?, Vec::new());
    opener.push(stored, &mut gzip)?;
    opener.finish(&mut gzip)?;
    Ok(gzip)
}
