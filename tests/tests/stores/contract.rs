//! What backups need of a store, on every one: each test goes through all.

use std::sync::Arc;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, Reach, RestoreOptions, Source, backup, restore, verify};
use lifeboat_core::codec::PartSink as _;
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{Journal, Store, UploadOptions, UploadedObject, Uploader};
use lifeboat_core::{Kind, Result};
use lifeboat_tests::{Lifeboat, Major, compare, fixtures, run};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::stand::{Stand, job};

const MIB: usize = 1 << 20;

/// Uploads one object of these parts.
pub(crate) async fn upload(
    store: &Store,
    journal: &Journal,
    parts: Vec<Vec<u8>>,
    give_up: bool,
) -> Result<Vec<UploadedObject>> {
    let (uploader, writers) = Uploader::new(store, journal, &UploadOptions::default());
    let mut sink = writers.object("backups/large".to_owned());
    let writing = tokio::task::spawn_blocking(move || -> Result<()> {
        let last = parts.len() - 1;
        for (position, part) in parts.into_iter().enumerate() {
            sink.part(part.into(), position == last && !give_up)?;
        }
        if give_up {
            writers.give_up("backups/large".to_owned());
        }
        Ok(())
    });
    let done = uploader.run(&job()).await;
    writing.await.unwrap().and(done)
}

pub(crate) fn bytes(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|at| (at / 251) as u8 ^ (at as u8) ^ salt).collect()
}

#[test]
fn what_is_written_is_read_listed_and_deleted() {
    for stand in Stand::ALL {
        let place = stand.place();
        run(async {
            let (store, job) = (place.store(), job());
            for name in ["backups/x/one.json", "backups/x/two files.json", "runs/three"] {
                store.put(&job, name, name.into()).await.unwrap();
            }
            let mut listed = store.list(&job, "backups").await.unwrap();
            listed.sort_by(|one, other| one.name.cmp(&other.name));
            let names: Vec<_> = listed.iter().map(|found| (found.name.as_str(), found.length)).collect();
            assert_eq!(names, [("backups/x/one.json", 18), ("backups/x/two files.json", 24)], "{stand:?}");
            assert_eq!(
                store.get(&job, "backups/x/two files.json").await.unwrap(),
                "backups/x/two files.json",
                "{stand:?}"
            );
            assert_eq!(store.get(&job, "backups/x/none").await.unwrap_err().kind(), Kind::NotFound, "{stand:?}");
            for _ in 0..2 {
                store.delete(&job, "backups/x/one.json").await.unwrap_or_else(|error| panic!("{stand:?}: {error:?}"));
            }
            assert_eq!(store.list(&job, "backups").await.unwrap().len(), 1, "{stand:?}");
            assert_eq!(store.list(&job, "nothing").await.unwrap(), [], "{stand:?}");
        });
    }
}

#[test]
fn an_object_of_several_parts_is_whole_and_read_by_ranges() {
    let parts = vec![bytes(16 * MIB, 1), bytes(16 * MIB, 2), bytes(MIB + 7, 3)];
    let whole = parts.concat();
    let sha256 = lifeboat_core::codec::Sha256::of(&whole);
    for stand in Stand::ALL {
        let (place, folder) = (stand.place(), TempDir::new().unwrap());
        run(async {
            let (store, job) = (place.store(), job());
            let journal = Journal::open(folder.path()).unwrap();
            let objects = upload(&store, &journal, parts.clone(), false).await.unwrap();
            assert_eq!(objects[0].length, whole.len() as u64, "{stand:?}");
            let read = store.read_proven(&job, "backups/large", whole.len() as u64, sha256, |_| Ok(())).await;
            read.unwrap_or_else(|error| panic!("{stand:?}: {error:?}"));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{stand:?}");
        });
    }
}

#[test]
fn an_upload_that_is_given_up_leaves_no_object() {
    for stand in Stand::ALL {
        let (place, folder) = (stand.place(), TempDir::new().unwrap());
        run(async {
            let (store, job) = (place.store(), job());
            let journal = Journal::open(folder.path()).unwrap();
            let done = upload(&store, &journal, vec![bytes(16 * MIB, 1), bytes(16 * MIB, 2)], true).await;
            assert!(done.is_ok_and(|objects| objects.is_empty()), "{stand:?}");
            assert_eq!(store.list(&job, "backups").await.unwrap(), [], "{stand:?}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{stand:?}");
        });
        assert_eq!(place.open_uploads(), [], "{stand:?}");
    }
}

#[test]
fn a_backup_is_taken_proven_and_restored() {
    let shop = fixtures::small(Major::V15);
    for stand in Stand::ALL.into_iter().filter(|stand| *stand != Stand::Memory) {
        let place = stand.place();
        place.lifeboat().arg("backup").of(&shop).run().expect(0);
        let with_tools = |lifeboat: Lifeboat| lifeboat.env("LIFEBOAT_TOOLS_DIR", &shop.server.installation.bin);
        place.lifeboat().args(["verify", "shop/latest"]).run().expect(0);
        let copy = shop.server.adopt(&lifeboat_tests::unused_name("copy"));
        with_tools(place.lifeboat())
            .arg("restore")
            .latest_into(shop.server, &copy.name)
            .arg("--create")
            .run()
            .expect(0);
        compare::assert_same(&shop, &copy);
    }
}

/// Memory is out of the reach of another process.
#[test]
fn a_service_backs_up_into_memory_and_restores_from_it() {
    let (shop, folder) = (fixtures::small(Major::V15), TempDir::new().unwrap());
    let copy = shop.server.adopt(&lifeboat_tests::unused_name("copy"));
    let (store, cancel, quiet) = (Stand::Memory.place().store(), CancellationToken::new(), Arc::new(Silent));
    let settings = |dsn: &str| ConnectionSettings::parse(dsn, &|_: &str| None).unwrap();
    let tools_dir = Some(shop.server.installation.bin.clone());
    let reach = Reach::Direct { settings: Box::new(settings(&shop.dsn())), tools_dir };
    let source = Source::new("shop".parse().unwrap(), reach);
    run(async {
        backup(&source, &store, &BackupOptions::new(folder.path()), quiet.clone()).await.unwrap();
        let latest = "shop/latest".parse().unwrap();
        verify(&store, &OpenKeys::default(), &latest, cancel, quiet.clone()).await.unwrap();
        let options = RestoreOptions { create: true, ..RestoreOptions::default() };
        restore(&store, &latest, &settings(&copy.dsn()), &options, quiet.clone()).await.unwrap();
    });
    compare::assert_same(&shop, &copy);
}
