//! Commands that read, when bytes are damaged, the store refuses, or the reader of the output stalls.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lifeboat_backup::archive::{DownloadOptions, cat, download};
use lifeboat_core::codec::Sha256;
use lifeboat_core::index::{Content, Index};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Error, Kind};
use lifeboat_tests::{Fault, Identity, PATIENCE, Proxy, Seaweed, When, run};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::world::{Objects, add_blobs, back_up, backup_command, in_memory, lifeboat, objects_of, several_tables};

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

/// What `cat` writes of these objects, and how it ends.
async fn printed(objects: &Objects) -> (Vec<u8>, Result<u64, Error>) {
    let (store, out) = (in_memory(objects).await, Seen::default());
    let (keys, latest) = (OpenKeys::default(), "latest".parse().unwrap());
    let ended = cat(&store, &keys, &latest, out.clone(), CancellationToken::new(), Arc::new(Silent)).await;
    let bytes = out.0.lock().unwrap().clone();
    (bytes, ended)
}

/// The objects of one backup of several tables, and of many rows that cannot be compressed.
async fn backed_up(mib: u32) -> Objects {
    let (database, state) = (several_tables("reading"), TempDir::new().unwrap());
    add_blobs(&database, mib);
    let store = in_memory(&Objects::new()).await;
    back_up(&database, &store, state.path()).await.unwrap();
    objects_of(&store).await
}

fn key(objects: &Objects, name: &str) -> String {
    objects.keys().find(|key| key.ends_with(name)).unwrap().clone()
}

#[test]
fn cat_writes_nothing_of_a_range_that_is_damaged_at_its_end() {
    run(async {
        let mut objects = backed_up(12).await;
        let (whole, ended) = printed(&objects).await;
        assert_eq!(ended.unwrap(), whole.len() as u64);
        let index = Index::parse(&objects[&key(&objects, "/index.json.gz")]).unwrap();
        let rows = |range: &&lifeboat_core::index::Range| matches!(range.content, Content::Rows(_));
        let longest = index.ranges.iter().filter(rows).max_by_key(|range| range.bytes.sql_bytes).unwrap();
        assert!(longest.bytes.sql_bytes > 8 << 20, "it is read twice: {} bytes", longest.bytes.sql_bytes);
        let before: u64 = index.ranges.iter().take_while(|range| *range != longest).map(|r| r.bytes.sql_bytes).sum();

        let manifest = objects[&key(&objects, "/manifest.json")].clone();
        let script = StoredManifest::parse(manifest.into()).unwrap().manifest.script;
        let dump = key(&objects, &script[longest.object].name);
        let last = (longest.bytes.offset + longest.bytes.length - 9) as usize;
        objects.get_mut(&dump).unwrap()[last] ^= 1;
        let (written, ended) = printed(&objects).await;
        assert_eq!(ended.unwrap_err().kind(), Kind::Integrity);
        assert_eq!(written.len() as u64, before);
        assert!(whole.starts_with(&written));
    });
}

#[test]
fn a_signal_ends_cat_though_nobody_reads_what_it_writes() {
    let (database, bucket) = (several_tables("stalled_cat"), Seaweed::shared().bucket("stalled-cat"));
    backup_command(&database, &bucket, "x").run().expect(0);
    let running = lifeboat("cat", &bucket, "x").arg("shop/latest").spawn();
    std::thread::sleep(Duration::from_secs(2));
    assert!(running.is_running(), "a pipe takes no whole script");
    running.signal(Signal::TERM);
    let began = Instant::now();
    while running.is_running() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!running.is_running(), "the signal is ignored");
    running.wait().expect(143);
}

#[test]
fn a_download_is_a_copy_whatever_a_later_release_wrote_into_the_manifest() {
    run(async {
        let mut objects = backed_up(1).await;
        let name = key(&objects, "/manifest.json");
        let text = String::from_utf8(objects[&name].clone()).unwrap();
        let body = text.rsplit_once(",\n  \"sha256\"").unwrap().0.to_owned() + ",\n  \"later\": {\"x\": 1}";
        let sealed = format!("{body},\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(body.as_bytes()));
        StoredManifest::parse(sealed.clone().into()).unwrap();
        objects.insert(name, sealed.into_bytes());

        let folder = TempDir::new().unwrap();
        let to = folder.path().join("copy");
        let store = in_memory(&objects).await;
        let options = DownloadOptions { to: to.clone(), sealed: false, cancel: CancellationToken::new() };
        let latest = "latest".parse().unwrap();
        download(&store, &OpenKeys::default(), &latest, &options, Arc::new(Silent)).await.unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&to), 0o700);
        for (name, bytes) in &objects {
            let file = to.join(name.rsplit('/').next().unwrap());
            assert!(std::fs::read(&file).unwrap() == *bytes, "{name} differs");
            assert_eq!(mode(&file), 0o600, "{name}");
        }
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), objects.len());
    });
}

#[test]
fn a_download_that_fails_leaves_nothing() {
    run(async {
        let mut objects = backed_up(1).await;
        let name = key(&objects, "/schema.dump.gz");
        objects.get_mut(&name).unwrap()[20] ^= 1;
        let (folder, store) = (TempDir::new().unwrap(), in_memory(&objects).await);
        let reference = "latest".parse().unwrap();
        for (to, stays) in [(folder.path().join("new"), false), (folder.path().to_owned(), true)] {
            let options = DownloadOptions { to: to.clone(), sealed: false, cancel: CancellationToken::new() };
            let ended = download(&store, &OpenKeys::default(), &reference, &options, Arc::new(Silent)).await;
            assert_eq!(ended.unwrap_err().kind(), Kind::Integrity);
            assert_eq!(to.exists(), stays);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_newer_format_is_told_in_its_row_and_a_store_that_refuses_ends_the_listing() {
    // A prefix that reads like the message about a newer format changes nothing.
    let (database, bucket) = (several_tables("newer"), Seaweed::shared().bucket("newer"));
    let prefix = "archive format";
    backup_command(&database, &bucket, prefix).run().expect(0);
    let proxy = Proxy::before(Seaweed::shared());
    let list = || lifeboat("list", &bucket, prefix).envs(proxy.environment(Identity::Reader)).run();
    proxy.on(When::call(|call| call.key().ends_with("manifest.json")), Fault::ACCESS_DENIED);
    let refused = list().expect(78);
    assert!(refused.stderr.contains("AccessDenied"), "{}", refused.stderr);
    proxy.heal();

    let manifest = bucket.objects().into_keys().find(|key| key.ends_with("manifest.json")).unwrap();
    let mut newer = StoredManifest::parse(bucket.read(&manifest).into()).unwrap().manifest;
    newer.format += 1;
    bucket.write(&manifest, newer.to_bytes(None, None));
    let listed = list().expect(0).stdout;
    assert!(listed.contains("damaged: read archive format 2"), "{listed}");
}
