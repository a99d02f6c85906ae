//! Sealed bodies that are cut, swapped, moved or continued: refused by verify, and by restore, cat and download where
//! they read. Nothing of them arrives.
//!
//! Each damage comes twice: as whoever can write to the store does it, and with a manifest that agrees with the damage, as
//! only an owner of the key could write it. The first is refused by the manifest's digests, the second by the body alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use lifeboat_backup::archive::{DownloadOptions, cat, download};
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, MethodChoice, Reach, RestoreOptions, Source, backup, restore, verify};
use lifeboat_core::codec::Sha256;
use lifeboat_core::codec::sealed::Header;
use lifeboat_core::keys::{DataKey, KeyId, OpenKeys};
use lifeboat_core::manifest::{Manifest, StoredManifest, StoredObject};
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout;
use lifeboat_core::{Error, Job, Kind};
use lifeboat_tests::keyring::{NOVEMBER, data_key, ring};
use lifeboat_tests::{Database, Major, Postgres, run, unused_name};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt as _, PutPayload};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::vault::tiny;

const HEADER_BYTES: usize = 56;
const CHUNK_BYTES: usize = 16_400;
const SCRIPT: &str = "dump-0000.sql.gz.sealed";

/// Two sealed backups of one database, in memory: the first is damaged, the second gives what does not belong there.
struct Victim {
    folder: String,
    other: String,
    objects: BTreeMap<String, Vec<u8>>,
    key: DataKey,
}

/// One object that is not what was stored.
struct Case {
    what: String,
    object: String,
    bytes: Vec<u8>,
}

impl Victim {
    fn new() -> Victim {
        let database = tiny();
        // Rows that do not compress: a script of many chunks.
        database.psql(
            "CREATE TABLE blobs AS SELECT g AS id, sha512(g::text::bytea) AS blob FROM generate_series(1, 4000) g",
        );
        run(async {
            let store = in_memory(&BTreeMap::new()).await;
            let first = back_up(&database, &store).await;
            database.psql("UPDATE few SET id = id + 1; COMMENT ON TABLE wide IS 'later'");
            let second = back_up(&database, &store).await;
            Victim::of(objects_of(&store).await, &first, &second)
        })
    }

    fn of(objects: BTreeMap<String, Vec<u8>>, first: &str, second: &str) -> Victim {
        let folder = |id: &str| format!("backups/daily/shop/{id}");
        let wrap = |id: &KeyId| objects[&format!("{}/{}", folder(first), layout::wrap(id))].clone();
        let key = data_key(first, &[NOVEMBER], wrap);
        Victim { folder: folder(first), other: folder(second), objects, key }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        &self.objects[&format!("{}/{name}", self.folder)]
    }

    fn manifest(&self) -> Manifest {
        StoredManifest::parse(self.bytes("manifest.json").to_vec().into()).unwrap().manifest
    }

    fn reference(&self) -> String {
        format!("shop/{}", self.folder.rsplit('/').next().unwrap())
    }

    /// The names of its sealed objects.
    fn names(&self) -> Vec<String> {
        self.manifest().objects().map(|object| object.name.clone()).collect()
    }

    /// What whoever can write to the store makes of it.
    fn damaged(&self, case: &Case) -> BTreeMap<String, Vec<u8>> {
        let mut objects = self.objects.clone();
        objects.insert(format!("{}/{}", self.folder, case.object), case.bytes.clone());
        objects
    }

    /// What an owner of the key makes of it, with a manifest that tells the damaged object's length, digest and header.
    fn damaged_by_an_owner(&self, case: &Case) -> BTreeMap<String, Vec<u8>> {
        let mut manifest = self.manifest();
        let all = manifest.script.iter_mut().chain(&mut manifest.attachments);
        let object: &mut StoredObject = all.into_iter().find(|object| object.name == case.object).unwrap();
        (object.length, object.sha256) = (case.bytes.len() as u64, Sha256::of(&case.bytes));
        if let Some((salt, commitment)) = case.bytes.get(..HEADER_BYTES).map(|header| header.split_at(24)) {
            let (salt, commitment) = (salt.try_into().unwrap(), commitment.try_into().unwrap());
            object.seal = Some(Header { salt, commitment });
        }
        let mut objects = self.damaged(case);
        objects.insert(format!("{}/manifest.json", self.folder), manifest.to_bytes(Some(&self.key), None));
        objects
    }

    fn cases(&self) -> Vec<Case> {
        let names = self.names();
        let mut cases: Vec<_> = names.iter().flat_map(|name| self.cases_of(name)).collect();
        for (a, b) in names.iter().zip(names.iter().skip(1)) {
            cases.push(self.case(a, &format!("is {b}"), self.bytes(b).to_vec()));
        }
        cases
    }

    fn cases_of(&self, name: &str) -> Vec<Case> {
        let bytes = self.bytes(name);
        let cut = |at: usize| self.case(name, &format!("is cut to {at} bytes"), bytes[..at].to_vec());
        let mut ends: Vec<_> = [0, 1, 24, HEADER_BYTES - 1, bytes.len() / 2, bytes.len() - 1].into();
        ends.extend(chunk_starts(bytes));
        ends.sort_unstable();
        ends.dedup();
        let mut cases: Vec<_> = sampled(ends).into_iter().map(cut).collect();
        let flips = [0, 30, HEADER_BYTES, bytes.len() - 17, bytes.len() - 1];
        cases.extend(flips.map(|at| self.changed(name, &format!("has a bit flipped in byte {at}"), |b| b[at] ^= 8)));
        let more = [vec![0], b"\n".to_vec(), bytes[bytes.len() - 16..].to_vec(), vec![0; CHUNK_BYTES]];
        let longer = |more: Vec<u8>| self.changed(name, &format!("has {} bytes more", more.len()), |b| b.extend(&more));
        cases.extend(more.map(longer));
        let other = self.objects[&format!("{}/{name}", self.other)].clone();
        cases.push(self.case(name, "is of another backup", other));
        cases.extend(self.chunks_moved(name));
        cases
    }

    /// The cases of objects that restore and cat read, and of the bytes that they read of them: the header of a script's
    /// object is not among these, for the manifest tells it too.
    fn cases_of_what_is_read(&self) -> Vec<Case> {
        let script = self.bytes(SCRIPT);
        let is_read = |case: &Case| {
            let chunks_differ = case.bytes.get(HEADER_BYTES..) != Some(&script[HEADER_BYTES..]);
            case.object.starts_with("index") || (case.object == SCRIPT && chunks_differ)
        };
        self.cases().into_iter().filter(is_read).collect()
    }

    /// Chunks in another order, twice, or left out.
    fn chunks_moved(&self, name: &str) -> Vec<Case> {
        let chunks = chunks(self.bytes(name));
        let [first, second, .., last] = &chunks[..] else { return Vec::new() };
        let (first, second, last) = (first.clone(), second.clone(), last.clone());
        let swapped = |b: &mut Vec<u8>| {
            let moved = [&b[second.clone()], &b[first.clone()]].concat();
            b[first.start..second.end].copy_from_slice(&moved);
        };
        let twice = |b: &mut Vec<u8>| {
            let again = b[first.clone()].to_vec();
            b.splice(second.start..second.start, again);
        };
        let without = |chunk: &Range<usize>| {
            let chunk = chunk.clone();
            move |b: &mut Vec<u8>| drop(b.drain(chunk))
        };
        vec![
            self.changed(name, "has its first chunks swapped", swapped),
            self.changed(name, "has its first chunk twice", twice),
            self.changed(name, "lacks its first chunk", without(&first)),
            self.changed(name, "lacks a chunk in the middle", without(&second)),
            self.changed(name, "lacks its last chunk", without(&last)),
        ]
    }

    fn changed(&self, name: &str, what: &str, change: impl FnOnce(&mut Vec<u8>)) -> Case {
        let mut bytes = self.bytes(name).to_vec();
        change(&mut bytes);
        self.case(name, what, bytes)
    }

    fn case(&self, name: &str, what: &str, bytes: Vec<u8>) -> Case {
        assert_ne!(bytes, self.bytes(name));
        Case { what: format!("{name} {what}"), object: name.to_owned(), bytes }
    }
}

/// Where chunks begin, the first not counted: cut there, all chunks that are left are whole.
fn chunk_starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (HEADER_BYTES..bytes.len()).step_by(CHUNK_BYTES)
}

fn chunks(bytes: &[u8]) -> Vec<Range<usize>> {
    chunk_starts(bytes).map(|start| start..bytes.len().min(start + CHUNK_BYTES)).collect()
}

/// All of them in a long run; otherwise some from either end and from between.
fn sampled(ends: Vec<usize>) -> Vec<usize> {
    if std::env::var_os("LIFEBOAT_TEST_LONG").is_some() || ends.len() <= 16 {
        return ends;
    }
    let (step, last) = (ends.len() / 12, ends.len() - 3);
    ends.into_iter().enumerate().filter(|(at, _)| *at < 6 || *at > last || at % step == 0).map(|(_, end)| end).collect()
}

async fn in_memory(objects: &BTreeMap<String, Vec<u8>>) -> Store {
    let memory = Arc::new(InMemory::new());
    for (name, bytes) in objects {
        memory.put(&Key::from(name.as_str()), PutPayload::from(bytes.clone())).await.unwrap();
    }
    Store::new(memory.clone(), memory, "", "memory")
}

async fn objects_of(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let job = Job::new(Arc::new(Silent), CancellationToken::new());
    let mut objects = BTreeMap::new();
    for listed in store.list(&job, "backups").await.unwrap() {
        let bytes = store.get(&job, &listed.name).await.unwrap();
        objects.insert(listed.name, bytes.to_vec());
    }
    objects
}

fn settings(dsn: &str) -> ConnectionSettings {
    ConnectionSettings::parse(dsn, &|_: &str| None).unwrap()
}

async fn back_up(database: &Database<'_>, store: &Store) -> String {
    let state = TempDir::new().unwrap();
    let reach = Reach::Direct { settings: Box::new(settings(&database.socket_dsn())), tools_dir: None };
    let source = Source::new("shop".parse().unwrap(), reach);
    let seal = Some(Arc::new(ring(&[NOVEMBER]).seal_keys(&[]).unwrap()));
    let options = BackupOptions { seal, method: MethodChoice::Stream, ..BackupOptions::new(state.path()) };
    backup(&source, store, &options, Arc::new(Silent)).await.unwrap().id.to_string()
}

fn open_keys() -> OpenKeys {
    ring(&[NOVEMBER]).open_keys(false)
}

async fn verified(store: &Store, reference: &str) -> Result<(), Error> {
    let reference = reference.parse().unwrap();
    verify(store, &open_keys(), &reference, CancellationToken::new(), Arc::new(Silent)).await.map(drop)
}

async fn restored(store: &Store, reference: &str, name: &str) -> Result<(), Error> {
    let target = settings(&Postgres::shared(Major::V15).socket_dsn(name));
    let options = RestoreOptions { create: true, keys: open_keys(), ..RestoreOptions::default() };
    restore(store, &reference.parse().unwrap(), &target, &options, Arc::new(Silent)).await.map(drop)
}

async fn downloaded(store: &Store, reference: &str, sealed: bool) -> Result<(), Error> {
    let folder = TempDir::new().unwrap();
    let to = folder.path().join("copy");
    let options = DownloadOptions { to: to.clone(), sealed, cancel: CancellationToken::new() };
    let ended = download(store, &open_keys(), &reference.parse().unwrap(), &options, Arc::new(Silent)).await;
    assert_eq!(to.exists(), ended.is_ok(), "a download that fails leaves nothing");
    ended.map(drop)
}

/// A writer whose bytes are seen by the test.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `cat` prints, and how it ends.
async fn printed(store: &Store, reference: &str) -> (Vec<u8>, Result<(), Error>) {
    let (out, reference) = (Seen::default(), reference.parse().unwrap());
    let ended = cat(store, &open_keys(), &reference, out.clone(), CancellationToken::new(), Arc::new(Silent)).await;
    let bytes = out.0.lock().unwrap().clone();
    (bytes, ended.map(drop))
}

/// What is wrong with how a case ended; nothing when it was refused as damage, with the object's name.
fn unless_refused(case: &Case, by: &str, result: Result<(), Error>) -> Option<String> {
    match result {
        Ok(()) => Some(format!("{}: {by} did not refuse it", case.what)),
        Err(error) if error.kind() != Kind::Integrity => Some(format!("{}: {by} refused it as {error:?}", case.what)),
        Err(_) => None,
    }
}

#[test]
fn the_victim_has_objects_of_one_chunk_and_of_many() {
    let victim = Victim::new();
    let lengths: Vec<_> = victim.names().iter().map(|name| chunks(victim.bytes(name)).len()).collect();
    assert!(lengths.contains(&1) && chunks(victim.bytes(SCRIPT)).len() > 16, "{lengths:?}");
    assert_eq!(lengths.len(), 6);
    assert!(victim.cases().len() > 100, "{} cases", victim.cases().len());
    run(async {
        let store = in_memory(&victim.objects).await;
        verified(&store, &victim.reference()).await.unwrap();
        downloaded(&store, &victim.reference(), true).await.unwrap();
    });
}

#[test]
fn verify_and_download_refuse_every_damage_and_name_the_object() {
    let victim = Victim::new();
    run(async {
        let mut wrong = Vec::new();
        for case in victim.cases() {
            let store = in_memory(&victim.damaged(&case)).await;
            let ended = verified(&store, &victim.reference()).await;
            let named = ended.as_ref().err().is_none_or(|error| error.chain().contains(&case.object));
            wrong.extend((!named).then(|| format!("{}: verify named another object: {ended:?}", case.what)));
            wrong.extend(unless_refused(&case, "verify", ended));
            for sealed in [false, true] {
                let ended = downloaded(&store, &victim.reference(), sealed).await;
                wrong.extend(unless_refused(&case, "download", ended));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn restore_and_cat_refuse_every_damage_of_what_they_read_and_leave_no_database() {
    let (victim, server) = (Victim::new(), Postgres::shared(Major::V15));
    let name = unused_name("damaged");
    run(async {
        let whole = printed(&in_memory(&victim.objects).await, &victim.reference()).await.0;
        let mut wrong = Vec::new();
        for case in &victim.cases_of_what_is_read() {
            let store = in_memory(&victim.damaged(case)).await;
            wrong.extend(unless_refused(case, "restore", restored(&store, &victim.reference(), &name).await));
            assert_eq!(server.databases_like(&name), "", "{}", case.what);
            let (out, ended) = printed(&store, &victim.reference()).await;
            wrong.extend(unless_refused(case, "cat", ended));
            assert!(whole.starts_with(&out), "cat prints what is not in the backup: {}", case.what);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn a_body_is_refused_even_when_the_manifest_agrees_with_its_damage() {
    let (victim, server) = (Victim::new(), Postgres::shared(Major::V15));
    let name = unused_name("agreed");
    run(async {
        let mut wrong = Vec::new();
        for case in victim.cases() {
            let store = in_memory(&victim.damaged_by_an_owner(&case)).await;
            wrong.extend(unless_refused(&case, "verify", verified(&store, &victim.reference()).await));
            wrong.extend(unless_refused(&case, "download", downloaded(&store, &victim.reference(), false).await));
            if case.object == SCRIPT || case.object.starts_with("index") {
                wrong.extend(unless_refused(&case, "restore", restored(&store, &victim.reference(), &name).await));
                wrong.extend(unless_refused(&case, "cat", printed(&store, &victim.reference()).await.1));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(server.databases_like(&name), "");
    });
}
