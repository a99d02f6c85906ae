//! Bodies: C2SP chunked-encryption against `cryptography`, both ways.

use std::fs;
use std::path::PathBuf;

use lifeboat_core::codec::sealed::{self, CHUNK_BYTES, HEADER_BYTES};
use tempfile::TempDir;

use crate::peer::Peer;

const PROGRAM: &str = include_str!("cobblestone.py");

const LENGTHS: [usize; 12] = [
    0,
    1,
    7,
    CHUNK_BYTES - 16,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    2 * CHUNK_BYTES,
    3 * CHUNK_BYTES + 4711,
    // The chunk's count needs a second byte.
    256 * CHUNK_BYTES - 1,
    256 * CHUNK_BYTES,
    257 * CHUNK_BYTES + 1,
];

/// Empty, of text, of a backup's object as docs/format.md makes it, and of bytes that are no text.
const CONTEXTS: [&[u8]; 4] = [
    b"",
    b"test context",
    b"\0\0\0\x0blifeboat/v1\0\0\0\x1720261121T021700Z-7f3a9c\0\0\0\x17dump-0000.sql.gz.sealed",
    b"\xff\0\x80",
];

const KEY: [u8; 32] = *b"YELLOW SUBMARINE YELLOW SUBMARIN";

/// The other implementation and a folder to exchange files in.
struct Other {
    python: Peer,
    folder: TempDir,
}

impl Other {
    fn new() -> Self {
        Self { python: Peer::python(["-c", PROGRAM]), folder: TempDir::new().unwrap() }
    }

    /// What it makes of `bytes`, or nothing when it refuses them.
    fn ask(&mut self, verb: &str, context: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let (from, to) = (self.path("from"), self.path("to"));
        fs::write(&from, bytes).unwrap();
        let line = format!("{verb} {} -{} {} {}", hex(&KEY), hex(context), from.display(), to.display());
        match self.python.ask(&line).as_str() {
            "done" => Some(fs::read(to).unwrap()),
            "refused" => None,
            other => panic!("{other}"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251 + at / CHUNK_BYTES) as u8).collect()
}

/// Of each length, with each context in turn.
fn cases() -> impl Iterator<Item = (Vec<u8>, &'static [u8])> {
    LENGTHS.iter().flat_map(|&length| CONTEXTS.iter().map(move |&context| (message(length), context)))
}

#[test]
fn python_opens_what_we_seal() {
    let mut other = Other::new();
    let mut opened = 0;
    for (at, (message, context)) in cases().enumerate() {
        let stored = sealed::seal(&KEY, context, [at as u8; 24], &message);
        assert!(other.ask("open", context, &stored).as_ref() == Some(&message), "{} bytes", message.len());
        opened += 1;
    }
    assert_eq!(opened, LENGTHS.len() * CONTEXTS.len());
}

#[test]
fn we_open_what_python_seals() {
    let mut other = Other::new();
    let mut opened = 0;
    for (message, context) in cases() {
        let stored = other.ask("seal", context, &message).unwrap();
        assert_eq!(stored.len() as u64, sealed::stored_length(message.len() as u64));
        assert!(sealed::open(&KEY, context, &stored).unwrap() == message, "{} bytes", message.len());
        assert!(sealed::open(&KEY, b"another context", &stored).is_err());
        opened += 1;
    }
    assert_eq!(opened, LENGTHS.len() * CONTEXTS.len());
}

#[test]
fn python_refuses_what_we_refuse() {
    let mut other = Other::new();
    let stored = sealed::seal(&KEY, b"", [3; 24], &message(2 * CHUNK_BYTES + 100));
    let chunk = CHUNK_BYTES + 16;
    let cuts = [HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + chunk, HEADER_BYTES + 2 * chunk, stored.len() - 1];
    let mut damaged: Vec<Vec<u8>> = cuts.iter().map(|&cut| stored[..cut].to_vec()).collect();
    damaged.push([&stored[..], b"\0"].concat());
    for at in [0, HEADER_BYTES - 1, HEADER_BYTES, stored.len() - 1] {
        let mut flipped = stored.clone();
        flipped[at] ^= 0x10;
        damaged.push(flipped);
    }
    for (at, damaged) in damaged.iter().enumerate() {
        assert!(sealed::open(&KEY, b"", damaged).is_err(), "ours, damage {at}");
        assert!(other.ask("open", b"", damaged).is_none(), "Python's, damage {at}");
    }
    assert!(other.ask("open", b"", &stored).is_some());
}
