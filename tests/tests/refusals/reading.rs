//! Commands that read: backups that are not there, names that mean several, folders that are not empty.

use std::process::Stdio;

use lifeboat_tests::{Major, files};
use tempfile::TempDir;

use crate::shop::{Shop, Store, assert_refused};

const COMMANDS: [&str; 3] = ["show", "verify", "cat"];

#[test]
fn a_backup_that_is_not_there_is_not_found() {
    let shop = Shop::backed_up(Major::V15);
    for command in COMMANDS {
        // What is there of the database that was named, or which databases there are.
        for (reference, word) in [("shop/19990101T", "list"), ("billing/latest", "of shop"), ("19", "of shop")] {
            assert_refused(shop.store.lifeboat(&format!("{command} {reference}")).run(), 10, &[reference, word]);
        }
    }
    assert_refused(Store::new().lifeboat("show latest").run(), 10, &["latest"]);
}

#[test]
fn the_beginning_of_several_ids_is_refused_and_they_are_listed() {
    let shop = Shop::backed_up(Major::V15);
    shop.backup().run().expect(0);
    let ids: Vec<String> = shop.store.list("").iter().map(|b| b["id"].as_str().unwrap().to_owned()).collect();
    for command in COMMANDS {
        let outcome = shop.store.lifeboat(&format!("{command} shop/20")).run();
        assert_refused(outcome, 2, &["shop/20", &ids[0], &ids[1]]);
    }
    shop.store.lifeboat(&format!("show {}", ids[1])).run().expect(0);
    shop.store.lifeboat(&format!("show shop/{}", &ids[1][..ids[1].len() - 1])).run().expect(0);
}

#[test]
fn what_names_no_backup_is_a_mistake_in_the_arguments() {
    let store = Store::new();
    for reference in ["Shop/latest", "../latest", "shop/newest", "shop", "shop/", "a/b/c"] {
        assert_refused(store.lifeboat(&format!("show {reference}")).run(), 2, &[reference]);
    }
}

#[test]
fn a_folder_that_is_not_empty_is_not_downloaded_into() {
    let shop = Shop::backed_up(Major::V15);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "precious").unwrap();
    let outcome = shop.store.lifeboat("download shop/latest --to").arg(folder.path()).run();
    assert_refused(outcome, 40, &["it is not empty", "name a new folder"]);
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["mine.txt"]);
    let new = folder.path().join("new");
    shop.store.lifeboat("download shop/latest --to").arg(&new).run().expect(0);
    let stored = shop.store.objects_of_backups().len();
    assert_eq!(files(&new).len(), stored);
}

#[test]
fn a_reader_that_closes_its_pipe_ends_cat_without_a_word_and_not_as_success() {
    let shop = Shop::backed_up(Major::V15);
    let cat = shop.store.lifeboat("cat shop/latest");
    let mut child = cat.command().stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(141), ""));

    // A disk that is full is another matter.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = cat.command().stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("write the script: No space left"), "{stderr}");
}

#[test]
fn records_would_stand_among_the_script_of_cat() {
    let outcome = Store::new().lifeboat("cat shop/latest --json").run().expect(2);
    assert_eq!(outcome.last_record()["exit_kind"], "usage");
}
