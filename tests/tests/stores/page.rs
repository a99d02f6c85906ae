//! The table in `docs/stores.md` is what this suite found. `LIFEBOAT_STORES_PAGE=overwrite` writes it anew.

use std::fmt::Write as _;
use std::process::Command;

use lifeboat_core::store::{Answer, Behaviour, ProbeReport};
use lifeboat_tests::scratch;
use lifeboat_tests::servers::installation::in_venv;

use crate::stand::Stand;

#[test]
fn the_page_tells_what_the_tested_stores_do() {
    let found = std::thread::scope(|scope| {
        let stands = Stand::ALL.into_iter().take(NAMES.len());
        let probes: Vec<_> = stands.map(|stand| scope.spawn(move || probed(stand))).collect();
        probes.into_iter().map(|probe| probe.join().unwrap()).collect::<Vec<_>>()
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

/// A table of other servers than those that were asked would be as good as made up.
#[test]
fn the_page_names_the_very_servers_that_are_asked() {
    let azurite = in_venv("node_modules/azurite/dist/src/blob/main.js");
    let said = [
        ("SeaweedFS", Command::new(in_venv("bin/weed")).arg("version").output()),
        ("rclone", Command::new(in_venv("bin/rclone")).arg("version").output()),
        ("moto", Command::new(in_venv("bin/python")).args(["-c", "import moto; print(moto.__version__)"]).output()),
        ("s3s-fs", Command::new(in_venv("bin/s3s-fs")).arg("--version").output()),
        ("Azurite", Command::new("node").arg(azurite).arg("--version").output()),
    ];
    for (server, output) in said {
        let name = NAMES.iter().find(|name| name.trim_start_matches('`').starts_with(server)).expect(server);
        let version = name.split(' ').find(|word| word.starts_with(|first: char| first.is_ascii_digit())).expect(name);
        let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        assert!(said.split_whitespace().any(|word| word.trim_start_matches('v') == version), "{name}: {said}");
    }
}

/// Whether eight who write at once collide is by chance for a store that looks first and writes then: one that mostly lets several win
/// lets one win now and then, and the other way round.
fn probed(stand: Stand) -> ProbeReport {
    let mut reports = std::iter::repeat_with(|| stand.place().probed());
    let race = |report: &ProbeReport| report.answer(Behaviour::CreateRace);
    let first = reports.next().expect("there is no end of them");
    match stand {
        Stand::S3s if race(&first) == Some(Answer::Ok) => {
            reports.take(9).find(|report| race(report) != Some(Answer::Ok)).unwrap_or(first)
        }
        // Two of three.
        Stand::Moto if race(&first) != Some(Answer::Ok) => {
            let mut others: Vec<_> = reports.take(2).collect();
            if others.iter().all(|report| race(report) == Some(Answer::Ok)) { others.remove(0) } else { first }
        }
        _ => first,
    }
}

fn table(found: &[ProbeReport]) -> String {
    let mut text = format!("| | {} |\n|---|{}\n", NAMES.join(" | "), "---|".repeat(NAMES.len()));
    for behaviour in Behaviour::ALL {
        let cell = |report: &ProbeReport| report.answer(behaviour).map_or("–", |answer| answer.text());
        let cells: Vec<_> = found.iter().map(cell).collect();
        writeln!(text, "| {} | {} |", behaviour.text(), cells.join(" | ")).unwrap();
    }
    text
}

/// As [`Stand::ALL`] has them. What moto does when it is asked as Google tells nothing of Google.
const NAMES: [&str; 8] = [
    "memory",
    "`file://`",
    "SeaweedFS 4.48",
    "`rclone serve s3` 1.75.2",
    "moto 5.2.5",
    "s3s-fs 0.14.1",
    "moto, without If-None-Match",
    "Azurite 3.35.0 (`az://`)",
];
const BEGIN: &str = "<!-- made by the tests: begin -->\n";
const END: &str = "<!-- made by the tests: end -->\n";
