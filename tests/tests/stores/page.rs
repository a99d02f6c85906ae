//! The table in `docs/stores.md` is what this suite found. `LIFEBOAT_STORES_PAGE=overwrite` writes it anew.

use std::fmt::Write as _;

use lifeboat_core::store::{Answer, Behaviour, ProbeReport};
use lifeboat_tests::scratch;

use crate::stand::Stand;

#[test]
fn the_page_tells_what_the_tested_stores_do() {
    let found = std::thread::scope(|scope| {
        let probes = Stand::ALL.map(|stand| scope.spawn(move || probed(stand)));
        probes.map(|probe| probe.join().unwrap())
    });
    let file = scratch::workspace().join("docs/stores.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let made = format!("{before}{BEGIN}{}{END}{after}", table(&found));
    if std::env::var_os("LIFEBOAT_STORES_PAGE").is_some_and(|value| value == "overwrite") {
        std::fs::write(&file, made).unwrap();
        return;
    }
    assert_eq!(page, made, "docs/stores.md is out of date: LIFEBOAT_STORES_PAGE=overwrite writes it");
}

/// A store that looks first and writes then keeps what is there in one race of eight: that shows what it does in the others.
fn probed(stand: Stand) -> ProbeReport {
    let races = if stand == Stand::S3s { 10 } else { 1 };
    let mut report = stand.place().probed();
    for _ in 1..races {
        if report.answer(Behaviour::CreateRace) != Some(Answer::Ok) {
            break;
        }
        report = stand.place().probed();
    }
    report
}

fn table(found: &[ProbeReport; Stand::ALL.len()]) -> String {
    let mut text = format!("| | {} |\n|---|{}\n", NAMES.join(" | "), "---|".repeat(NAMES.len()));
    for behaviour in Behaviour::ALL {
        let cell = |report: &ProbeReport| report.answer(behaviour).map_or("–", |answer| answer.text());
        let cells: Vec<_> = found.iter().map(cell).collect();
        writeln!(text, "| {} | {} |", behaviour.text(), cells.join(" | ")).unwrap();
    }
    text
}

/// As [`Stand::ALL`] has them.
const NAMES: [&str; Stand::ALL.len()] = [
    "memory",
    "`file://`",
    "SeaweedFS 4.48",
    "`rclone serve s3` 1.75.2",
    "moto 5.2.5",
    "s3s-fs 0.14.1",
    "moto, without If-None-Match",
];
const BEGIN: &str = "<!-- made by the tests: begin -->\n";
const END: &str = "<!-- made by the tests: end -->\n";
