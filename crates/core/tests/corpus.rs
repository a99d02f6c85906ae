//! The entries of the fuzz targets over their kept corpus, and over mutations of it that are the same in every run.
//!
//! `LIFEBOAT_TEST_LONG=1` makes a hundred times as many.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails panics, and says at which input")]

#[path = "../../../fuzz/entries.rs"]
mod entries;

use std::fs;
use std::path::Path;

#[test]
fn bodies() {
    run("body", entries::body);
}

#[test]
fn wraps() {
    run("wrap", entries::wrap);
}

#[test]
fn manifests() {
    run("manifest", entries::manifest);
}

#[test]
fn indexes() {
    run("index", entries::index);
}

#[test]
fn frames() {
    run("frames", entries::frames);
}

fn run(target: &str, entry: fn(&[u8])) {
    let corpus = read(target);
    assert!(corpus.len() >= 3, "the corpus of {target} is missing");
    let mutations = if std::env::var_os("LIFEBOAT_TEST_LONG").is_some() { 30_000 } else { 300 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    entry(b"");
    for (name, seed) in &corpus {
        eprintln!("{target}/{name} and {mutations} mutations");
        entry(seed);
        for cut in 0..seed.len().min(2000) {
            entry(&seed[..cut]);
        }
        for _ in 0..mutations {
            let other = &corpus[random.below(corpus.len())].1;
            entry(&random.mutation(seed, other));
        }
    }
}

/// The files of a target's corpus, by name.
fn read(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut corpus: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    corpus.sort();
    corpus
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// The seed with one to four changes.
    fn mutation(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, other);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let (at, length) = (self.below(bytes.len() + 1), 1 + self.below(40));
        let end = (at + length).min(bytes.len());
        match self.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            3 => drop(bytes.splice(at..at, self.digits())),
            4 => drop(bytes.splice(at..end, piece(other, at, length))),
            5 => drop(bytes.splice(at..end, self.digits())),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
        }
    }

    /// Numbers at the ends of their types, and what JSON and hexadecimal are made of.
    fn digits(&mut self) -> Vec<u8> {
        const WORDS: [&[u8]; 10] = [
            b"0",
            b"-1",
            b"18446744073709551615",
            b"18446744073709551616",
            b"1e400",
            b"\"",
            b"{",
            b"null",
            b"\xff",
            b"\\ud800",
        ];
        WORDS[self.below(WORDS.len())].to_vec()
    }
}

fn piece(of: &[u8], at: usize, length: usize) -> Vec<u8> {
    of.iter().skip(at).take(length).copied().collect()
}
