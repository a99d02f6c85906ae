//! A backup in a folder, as `lifeboat download --sealed` writes it, made by the codec itself; and `recover.py` on it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use futures_util::FutureExt as _;
use lifeboat_core::codec::{Compression, ObjectWriter, PART_BYTES, PartSink, Sha256, StoredWriter};
use lifeboat_core::keys::{DataKey, Keyring};
use lifeboat_core::manifest::{Manifest, StoredObject};
use lifeboat_core::store::layout::Piece;
use lifeboat_tests::recover::recover_py;
use tempfile::TempDir;

/// What a dump begins with, so that psql fails unless it ends with [`END`].
pub(crate) const HEAD: &str = "\\set ON_ERROR_STOP on\n\\if true\n";
pub(crate) const END: &str = "\\endif\n";

/// Keys for tests: one of each kind in each encoding, and a signer.
pub(crate) const KEYRING: &str = r#"
[[key]]
id = "hex"
kind = "aes256"
secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
[[key]]
id = "base64"
kind = "aes256"
encoding = "base64"
secret = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
[[key]]
id = "phrase"
kind = "aes256"
encoding = "sha256(utf8)"
secret = "a test's ключ"
state = "retired"
[[key]]
id = "offline"
kind = "x25519"
secret = "77076d0a7318a57d3c16c17251b26645df4c51d5ec4a5a16b2c2b8bff4b4d2a1"
[[key]]
id = "signer"
kind = "ed25519"
secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
state = "primary"
"#;

/// [`KEYRING`], parsed.
pub(crate) fn keyring() -> Keyring {
    Keyring::parse(KEYRING, "the tests' keyring").unwrap()
}

/// A backup in a folder.
pub(crate) struct Archive {
    pub(crate) folder: TempDir,
    pub(crate) manifest: Manifest,
    /// `None` for one that is not encrypted.
    pub(crate) key: Option<DataKey>,
}

impl Archive {
    /// A sealed backup whose script consists of these objects, wrapped under the key `hex`.
    pub(crate) fn sealed(script: &[&str]) -> Archive {
        Archive::sealed_gzip(&script.iter().map(|sql| gzip(sql)).collect::<Vec<_>>())
    }

    /// The same of objects that are already gzip bytes.
    pub(crate) fn sealed_gzip(script: &[Vec<u8>]) -> Archive {
        Archive::of(script, Compression::Gzip, Some(DataKey::generate().unwrap())).wrapped_under("hex")
    }

    /// The same of zstd frames.
    pub(crate) fn sealed_zstd(script: &[Vec<u8>]) -> Archive {
        Archive::of(script, Compression::Zstd, Some(DataKey::generate().unwrap())).wrapped_under("hex")
    }

    /// A backup that is not encrypted.
    pub(crate) fn plain(script: &[&str]) -> Archive {
        Archive::of(&script.iter().map(|sql| gzip(sql)).collect::<Vec<_>>(), Compression::Gzip, None)
    }

    fn of(script: &[Vec<u8>], compression: Compression, key: Option<DataKey>) -> Archive {
        let mut archive = Archive { folder: TempDir::new().unwrap(), manifest: manifest(), key };
        std::fs::create_dir(archive.path("keys")).unwrap();
        archive.manifest.compression = compression;
        for (position, bytes) in script.iter().enumerate() {
            let stored = archive.store(&Piece::Dump.object(position, compression), bytes);
            archive.manifest.script.push(stored);
        }
        let globals = archive.store("globals.sql.gz", &gzip(GLOBALS));
        archive.manifest.attachments.push(globals);
        archive.commit();
        archive
    }

    /// Stores an object, not named by the manifest yet.
    pub(crate) fn store(&self, name: &str, gzip: &[u8]) -> StoredObject {
        let name = if self.key.is_some() { format!("{name}.sealed") } else { name.to_owned() };
        let sealer = self.key.as_ref().map(|key| key.sealer(self.id(), &name).unwrap());
        let mut writer = StoredWriter::new(Folder(self.path(&name)), PART_BYTES, sealer);
        writer.push(gzip).unwrap();
        let written = writer.finish().unwrap();
        let (length, sha256, seal) = (written.length, written.sha256, written.seal);
        StoredObject { name, length, sha256, part_bytes: PART_BYTES as u64, seal }
    }

    /// Writes the manifest anew, with its MAC.
    pub(crate) fn commit(&self) {
        std::fs::write(self.path("manifest.json"), self.manifest.to_bytes(self.key.as_ref(), None)).unwrap();
    }

    /// Writes it with the signature of the keyring's signer.
    pub(crate) fn commit_signed(&self) {
        let signer = keyring().key("signer").unwrap().as_signer().unwrap();
        std::fs::write(self.path("manifest.json"), self.manifest.to_bytes(self.key.as_ref(), Some(&signer))).unwrap();
    }

    /// Makes an object's digest and length in the manifest those of what is stored: what only an owner of the key can do.
    pub(crate) fn commit_as_stored(&mut self) {
        let folder = self.folder.path();
        for object in self.manifest.script.iter_mut().chain(&mut self.manifest.attachments) {
            let bytes = std::fs::read(folder.join(&object.name)).unwrap();
            (object.length, object.sha256) = (bytes.len() as u64, Sha256::of(&bytes));
        }
        self.commit();
    }

    /// Adds the wrap under a key of [`KEYRING`].
    pub(crate) fn wrapped_under(self, id: &str) -> Archive {
        let ring = keyring();
        let key = ring.key(id).unwrap().as_wrap().unwrap();
        let data_key = self.key.as_ref().expect("only sealed backups have wraps");
        let wrap = key.wrap(data_key, self.id()).now_or_never().expect("needs no waiting").unwrap();
        std::fs::write(self.wrap_path(key.id().as_str()), wrap.to_bytes()).unwrap();
        self
    }

    /// Removes a wrap.
    pub(crate) fn not_wrapped_under(self, id: &str) -> Archive {
        std::fs::remove_file(self.wrap_path(keyring().key(id).unwrap().public_id().as_str())).unwrap();
        self
    }

    pub(crate) fn wrap_path(&self, id: &str) -> PathBuf {
        self.path(&format!("keys/{id}.json"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn id(&self) -> &str {
        self.manifest.id.as_str()
    }

    /// Changes what is stored under a name.
    pub(crate) fn damage(&self, name: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        damage(&mut bytes);
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// `recover.py --keyring KEYRING` with these arguments.
    pub(crate) fn recover(&self, arguments: &[&str]) -> Recovered {
        self.recover_with(KEYRING, arguments)
    }

    /// The same with another keyring; none when it is empty.
    pub(crate) fn recover_with(&self, keyring: &str, arguments: &[&str]) -> Recovered {
        self.run(recover_py(), keyring, arguments)
    }

    /// The same as [`Archive::recover`], on a host that has no other program.
    pub(crate) fn recover_alone(&self) -> Recovered {
        let mut command = recover_py();
        command.env("PATH", "/nowhere");
        self.run(command, KEYRING, &[])
    }

    fn run(&self, mut command: Command, keyring: &str, arguments: &[&str]) -> Recovered {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keyring.toml");
        std::fs::write(&path, keyring).unwrap();
        if !keyring.is_empty() {
            command.arg("--keyring").arg(path);
        }
        Recovered::of(&command.arg(self.folder.path()).args(arguments).output().unwrap())
    }
}

/// What `recover.py` did.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Recovered {
    fn of(output: &Output) -> Recovered {
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        Recovered { code: output.status.code(), stdout, stderr }
    }

    /// Succeeded and printed this script between [`HEAD`] and [`END`].
    #[track_caller]
    pub(crate) fn expect_dump(&self, sql: &str) {
        assert_eq!((self.code, self.stderr.lines().count()), (Some(0), 1), "{}", self.stderr);
        // Not assert_eq: a script may be long.
        assert!(self.stdout == format!("{HEAD}{sql}{END}"), "another script, of {} bytes", self.stdout.len());
    }

    /// Failed with this message before anything of the dump was printed.
    #[track_caller]
    pub(crate) fn expect_refusal(&self, message: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), HEAD), "{}", self.stderr);
        self.expect_message(message);
    }

    /// Failed with this message.
    #[track_caller]
    pub(crate) fn expect_message(&self, message: &str) {
        assert!(
            self.stderr.contains(message) && self.stderr.contains("must not be used"),
            "{message:?} in {}",
            self.stderr
        );
        assert!(!self.stderr.contains("Traceback"), "{}", self.stderr);
    }
}

/// Gzip bytes of SQL, one range.
pub(crate) fn gzip(sql: &str) -> Vec<u8> {
    compressed(sql, Compression::Gzip)
}

/// A range of SQL.
pub(crate) fn compressed(sql: &str, compression: Compression) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("object");
    let mut writer = ObjectWriter::new(Folder(path.clone()), PART_BYTES, compression, None);
    writer.write(sql.as_bytes()).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

/// Text, and gzip bytes of it that are exactly so long.
pub(crate) fn gzip_of_length(length: usize) -> (String, Vec<u8>) {
    let stored = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Level::none());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let candidates = (0..=length).rev().map(|text| "-".repeat(text)).map(|text| (stored(&text), text));
    let (gzip, text) = candidates.take(64).find(|(gzip, _)| gzip.len() == length).expect("a text of that length");
    (text, gzip)
}

/// What every archive has as `globals.sql.gz`.
pub(crate) const GLOBALS: &str = "CREATE ROLE clerk;\n";

fn manifest() -> Manifest {
    let json = r#"{"format":1,"tool":"lifeboat 0.1.0","id":"20261121T021700Z-7f3a9c","run":"20261121T021700Z-01ab23",
        "database":"shop","class":"daily","method":"stream","compression":"gzip","started":"2026-11-21T02:17:00Z",
        "snapshot":"2026-11-21T02:17:01Z","finished":"2026-11-21T02:17:02Z","script":[],"attachments":[]}"#;
    serde_json::from_str(json).unwrap()
}

/// Appends parts to a file.
struct Folder(PathBuf);

impl PartSink for Folder {
    fn part(&mut self, bytes: Bytes, _last: bool) -> lifeboat_core::Result<()> {
        append(&self.0, &bytes);
        Ok(())
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
