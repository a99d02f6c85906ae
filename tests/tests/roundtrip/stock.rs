//! Stock tools alone give everything back: a stock S3 client, gunzip or zstd, or `recover.py` where it is sealed, and psql.

use std::process::Command;

use lifeboat_tests::stock::{assert_psql_makes_it_of, decompressed, script_in};
use lifeboat_tests::{Depot, Major, Way, every_method, every_way, files, fixtures, zstd};

every_way!(
    a_stock_client_and_psql_give_the_database_back_on_15,
    what_cat_prints_psql_restores,
    what_download_fetches_needs_no_lifeboat,
);
// recover.py is the same for every release.
every_method!(a_stock_client_and_psql_give_the_database_back_on_18, the_page_for_3am_finds_the_script);
zstd!(stream, open: a_stock_client_and_psql_give_the_database_back_on_15, the_page_for_3am_finds_the_script);

fn a_stock_client_and_psql_give_the_database_back_on_15(way: Way) {
    gives_it_back_with_stock_tools(way, Major::V15);
}

fn a_stock_client_and_psql_give_the_database_back_on_18(way: Way) {
    gives_it_back_with_stock_tools(way, Major::V18);
}

fn gives_it_back_with_stock_tools(way: Way, major: Major) {
    let depot = Depot::s3().by(way);
    let original = fixtures::hard(major);
    let backup = depot.backup(&original);
    assert_eq!(depot.manifest(&backup).compression, way.compression());
    assert_psql_makes_it_of(&depot.script_by_hand(&backup), &original);
}

fn what_cat_prints_psql_restores(way: Way) {
    let depot = Depot::file().by(way);
    let original = fixtures::hard(Major::V18);
    depot.backup(&original);
    assert_psql_makes_it_of(&depot.printed(), &original);
}

/// Opened by the download, and as it is stored.
fn what_download_fetches_needs_no_lifeboat(way: Way) {
    let depot = Depot::s3().by(way);
    let original = fixtures::hard(Major::V15);
    depot.backup(&original);
    let (opened, stored) = (depot.path("opened"), depot.path("stored"));
    let download = || depot.lifeboat("download").args(["shop/latest", "--json", "--to"]);
    let told = download().arg(&opened).run().expect(0).result();
    download().arg(&stored).arg("--sealed").run().expect(0);
    let found = files(&opened);
    assert!(found.keys().all(|name| !name.ends_with(".sealed")), "{:?}", found.keys());
    let names = told["script"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let objects: Vec<_> = names.map(|name| &found[name][..]).collect();
    let script = decompressed(told["script"][0].as_str().unwrap(), &objects.concat());
    assert_psql_makes_it_of(&script, &original);
    let by_hand = script_in(&stored);
    assert!(by_hand.windows(script.len()).any(|window| window == script), "recover.py prints another script");
}

/// The line of `docs/restore.md` that finds the script's objects in their order.
fn the_page_for_3am_finds_the_script(way: Way) {
    let depot = Depot::file().by(way);
    depot.backup(&fixtures::small(Major::V15));
    let copied = depot.path("copied");
    depot.lifeboat("download").args(["shop/latest", "--sealed", "--to"]).arg(&copied).run().expect(0);
    let page = include_str!("../../../docs/restore.md");
    let line = page.lines().find(|line| line.starts_with("script=$(sed")).expect("the page has the line");
    let decompress = if way.compression == "zstd" { "zstd -d" } else { "gunzip" };
    let lines = format!("{line}\ncat $script | {decompress}");
    let bash = Command::new("bash").args(["-c", &lines]).current_dir(&copied).output().unwrap();
    assert!(bash.status.success() && bash.stderr.is_empty(), "{bash:?}");
    assert_eq!(bash.stdout, script_in(&copied));
}
