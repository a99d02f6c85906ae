//! Every object of a backup, damaged in every way that tells something: refused by verify, and by restore where it reads.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lifeboat_backup::BackupOptions;
use lifeboat_backup::archive::BackupState;
use lifeboat_core::index::{Content, Index};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Kind, Result};
use lifeboat_tests::{Major, Postgres, Way, every_method, run, unused_name, zstd};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::damage_cases::{Case, Victim, place};
use crate::world::{self, Objects, in_memory, list, objects_of, restore, several_tables, verify};

every_method!(
    the_victim_has_every_kind_of_object_and_of_range,
    verify_refuses_every_damage_and_names_the_object,
    restore_refuses_every_damage_it_can_see_and_leaves_no_database,
    a_damaged_restore_empties_the_tables_of_a_database_that_was_there,
    a_cancelled_restore_empties_the_tables_of_a_database_that_was_there,
    a_backup_without_its_manifest_is_none,
    the_list_calls_damaged_what_it_can_see_without_reading,
    a_manifest_that_lies_under_another_name_is_refused,
);
zstd!(parallel, open: verify_refuses_every_damage_and_names_the_object, restore_refuses_every_damage_it_can_see_and_leaves_no_database);

/// Two backups of one database, whose rows differ and whose lengths mostly do not.
async fn victim(way: Way) -> Victim {
    let state = TempDir::new().unwrap();
    let database = several_tables("damage");
    let store = in_memory(&Objects::new()).await;
    // By one connection, all rows lie in one object.
    let options = BackupOptions {
        method: way.choice(),
        compression: way.compression(),
        jobs: NonZeroUsize::new(1),
        ..world::options(state.path())
    };
    let back_up =
        async || lifeboat_backup::backup(&world::source(&database), &store, &options, Arc::new(Silent)).await.unwrap();
    let first = back_up().await;
    database.psql(&format!(
        "UPDATE twin_a SET side = 'rite' WHERE id = 7;
         COMMENT ON DATABASE {} IS 'of somebody'; COMMENT ON TABLE wide IS 'later'",
        database.name
    ));
    let second = back_up().await;
    let objects = objects_of(&store).await;
    let folder = |id: &lifeboat_core::BackupId| format!("backups/daily/shop/{id}");
    let index = Index::parse(&objects[&format!("{}/index.json.gz", folder(&first.id))]).unwrap();
    let manifest = objects[&format!("{}/manifest.json", folder(&first.id))].clone();
    let manifest = StoredManifest::parse(manifest.into()).unwrap().manifest;
    let script = manifest.script.into_iter().map(|object| object.name).collect();
    Victim { folder: folder(&first.id), other: folder(&second.id), objects, index, script }
}

impl Victim {
    fn reference(&self) -> String {
        format!("shop/{}", self.folder.rsplit('/').next().unwrap())
    }
}

/// Runs `check` for each case, a few at a time, and gives what it complains about.
async fn complaints<F>(cases: Vec<Case>, check: impl Fn(Case) -> F) -> Vec<String>
where
    F: Future<Output = Option<String>> + Send + 'static,
{
    let at_once = Arc::new(Semaphore::new(4));
    let mut running = JoinSet::new();
    for case in cases {
        let (name, check, at_once) = (case.name.clone(), check(case), at_once.clone());
        running.spawn(async move {
            let _permit = at_once.acquire().await;
            check.await.map(|complaint| format!("{name}: {complaint}"))
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// What is wrong with how a case ended; nothing when it was refused as damage, with the object's name.
fn unless_refused<T>(result: Result<T>, object: &str) -> Option<String> {
    let object = if object == "manifest.json" { "manifest" } else { object };
    match result {
        Ok(_) => Some("was not refused".to_owned()),
        Err(error) if error.kind() != Kind::Integrity => Some(format!("was refused as {error:?}")),
        Err(error) if !error.chain().contains(object) => Some(format!("was not named in {error:?}")),
        Err(_) => None,
    }
}

fn the_victim_has_every_kind_of_object_and_of_range(way: Way) {
    let victim = run(victim(way));
    let names = victim.names();
    let expected: &[&str] = match way.method {
        "stream" => &["dump-0000.sql.gz"],
        _ => &["data-0000.sql.gz", "post-data-0000.sql.gz", "pre-data-0000.sql.gz"],
    };
    let others =
        ["catalog.json.gz", "database.sql.gz", "globals.sql.gz", "index.json.gz", "manifest.json", "schema.dump.gz"];
    let mut expected = [expected, &others].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let rows = victim.index.ranges.iter().filter(|range| matches!(range.content, Content::Rows(_))).count();
    assert!(rows >= 3, "{rows} ranges of rows");
    let of_another = victim.cases().iter().filter(|case| case.name.ends_with("of another backup")).count();
    assert!(of_another >= 5, "{of_another} objects differ between the two backups");
    assert!(victim.cases().len() > 100, "{} cases", victim.cases().len());
    run(async {
        let store = in_memory(&victim.objects).await;
        assert_eq!(verify(&store, &victim.reference()).await.unwrap().rows, Some(5600));
    });
}

fn verify_refuses_every_damage_and_names_the_object(way: Way) {
    run(async {
        let victim = Arc::new(victim(way).await);
        let wrong = complaints(victim.cases(), |case| {
            let victim = victim.clone();
            async move {
                let store = in_memory(&victim.damaged(&case)).await;
                unless_refused(verify(&store, &victim.reference()).await, &case.object)
            }
        });
        let wrong = wrong.await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

fn restore_refuses_every_damage_it_can_see_and_leaves_no_database(way: Way) {
    let (prefix, server) = (unused_name("target"), Postgres::shared(Major::V15));
    run(async {
        let victim = Arc::new(victim(way).await);
        let cases: Vec<_> = victim.cases().into_iter().filter(|case| victim.restore_sees(case)).collect();
        assert!(cases.len() > 100, "{} cases", cases.len());
        let wrong = complaints(cases, |case| {
            let (victim, name) = (victim.clone(), format!("{prefix}_{:x}", lifeboat_tests::scratch::unique() >> 40));
            async move {
                let store = in_memory(&victim.damaged(&case)).await;
                unless_refused(restore(&store, &victim.reference(), &name).await, &case.object)
            }
        });
        let wrong = wrong.await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(server.databases_like(&prefix), "");
        // The same restore of whole bytes does leave one.
        restore(&in_memory(&victim.objects).await, &victim.reference(), &prefix).await.unwrap();
        assert!(server.has_database(&prefix));
    });
    server.drop_databases_like(&prefix);
}

fn a_damaged_restore_empties_the_tables_of_a_database_that_was_there(way: Way) {
    let empty = Postgres::shared(Major::V15).database("emptied");
    run(async {
        let victim = victim(way).await;
        let rows = victim.index.ranges.iter().filter(|range| matches!(range.content, Content::Rows(_)));
        let smallest = rows.min_by_key(|range| range.bytes.sql_bytes).unwrap();
        let (start, end) = place(smallest);
        let mut objects = victim.objects.clone();
        let object = format!("{}/{}", victim.folder, victim.script[smallest.object]);
        objects.get_mut(&object).unwrap()[(start + end) / 2] ^= 4;
        let store = in_memory(&objects).await;
        let target = world::settings(&empty.socket_dsn());
        let options = lifeboat_backup::RestoreOptions { jobs: 1, ..Default::default() };
        let monitor = Arc::new(Silent);
        let reference = victim.reference().parse().unwrap();
        let error = lifeboat_backup::restore(&store, &reference, &target, &options, monitor).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Integrity, "{error:?}");
    });
    let left = "SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM twin_a) + (SELECT count(*) FROM twin_b)";
    assert_eq!(empty.psql(left), "0");
}

/// Cancels as soon as the operation says that it does this.
struct CancelAt(&'static str, tokio_util::sync::CancellationToken);

impl lifeboat_core::monitor::Monitor for CancelAt {
    fn event(&self, event: &lifeboat_core::monitor::Event<'_>) {
        if matches!(event, lifeboat_core::monitor::Event::Step(step) if step.starts_with(self.0)) {
            self.1.cancel();
        }
    }
}

fn a_cancelled_restore_empties_the_tables_of_a_database_that_was_there(way: Way) {
    let empty = Postgres::shared(Major::V15).database("cancelled");
    run(async {
        let victim = victim(way).await;
        let store = in_memory(&victim.objects).await;
        let target = world::settings(&empty.socket_dsn());
        let options = lifeboat_backup::RestoreOptions::default();
        let monitor = Arc::new(CancelAt("restore what else", options.cancel.clone()));
        let reference = victim.reference().parse().unwrap();
        let error = lifeboat_backup::restore(&store, &reference, &target, &options, monitor).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled, "{error:?}");
    });
    let left = "SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM twin_a) + (SELECT count(*) FROM twin_b)";
    assert_eq!(empty.psql(left), "0");
}

fn a_backup_without_its_manifest_is_none(way: Way) {
    run(async {
        let victim = victim(way).await;
        let mut objects = victim.objects.clone();
        objects.remove(&format!("{}/manifest.json", victim.folder)).unwrap();
        let store = in_memory(&objects).await;
        assert_eq!(verify(&store, &victim.reference()).await.unwrap_err().kind(), Kind::NotFound);
        for backup in list(&store).await {
            // Both may be of the same second: their order tells nothing.
            let bare = victim.folder.ends_with(backup.id.as_str());
            match backup.state {
                BackupState::InFlight if bare => {}
                BackupState::Damaged(why) if bare => assert!(why.starts_with("manifest.json is missing"), "{why}"),
                state => assert!(!bare && state == BackupState::Available, "{state:?}"),
            }
        }
    });
}

fn the_list_calls_damaged_what_it_can_see_without_reading(way: Way) {
    run(async {
        let victim = victim(way).await;
        for case in victim.cases().iter().filter(|case| !case.same_length || case.object == "manifest.json") {
            let store = in_memory(&victim.damaged(case)).await;
            let listed = list(&store).await;
            let backup = listed.iter().find(|backup| victim.folder.ends_with(backup.id.as_str())).unwrap();
            assert!(matches!(&backup.state, BackupState::Damaged(_)), "{}: {:?}", case.name, backup.state);
        }
    });
}

fn a_manifest_that_lies_under_another_name_is_refused(way: Way) {
    run(async {
        let victim = victim(way).await;
        let id = victim.folder.rsplit('/').next().unwrap();
        for elsewhere in [
            format!("backups/monthly/shop/{id}"),
            format!("backups/daily/other/{id}"),
            "backups/daily/shop/20991231T235959Z-abcdef".to_owned(),
        ] {
            let moved = |key: &String| key.replacen(&victim.folder, &elsewhere, 1);
            let objects: Objects = victim.objects.iter().map(|(key, bytes)| (moved(key), bytes.clone())).collect();
            let store = in_memory(&objects).await;
            let mut words = elsewhere.rsplit('/');
            let (id, database) = (words.next().unwrap(), words.next().unwrap());
            let error = verify(&store, &format!("{database}/{id}")).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Integrity, "{elsewhere}: {error:?}");
            assert!(error.chain().contains("lies elsewhere"), "{elsewhere}: {error:?}");
        }
    });
}
