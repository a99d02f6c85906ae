//! What the pages tell to type exists.

use std::collections::BTreeSet;
use std::fs;

use lifeboat_tests::{Lifeboat, scratch};

use crate::products::ALL;

fn page(product: &str) -> String {
    fs::read_to_string(scratch::workspace().join("examples").join(product).join("README.md")).unwrap()
}

#[test]
fn every_page_has_the_four_things_in_their_order() {
    let headings = ["## Install", "## The nightly timer", "## A restore", "## The monthly drill"];
    for product in ALL {
        let page = page(product.name);
        let found: Vec<_> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(found, headings, "{}", product.name);
    }
}

#[test]
fn files_that_a_page_installs_are_in_the_repository() {
    for product in ALL {
        let page = page(product.name);
        let is_ours = |word: &&str| word.starts_with("examples/") || word.starts_with("packaging/");
        let words = page.split_whitespace().filter(is_ours);
        for word in words.flat_map(without_braces) {
            let (folder, name) = word.rsplit_once('/').unwrap();
            let folder = scratch::workspace().join(folder);
            let (start, end) = name.split_once('*').unwrap_or((name, ""));
            let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert!(names.any(|found| found.starts_with(start) && found.ends_with(end)), "{}: {word}", product.name);
        }
    }
}

/// `a.{b,c}` as the shell reads it.
fn without_braces(word: &str) -> Vec<String> {
    match word.split_once('{').and_then(|(start, rest)| Some((start, rest.split_once('}')?))) {
        None => vec![word.to_owned()],
        Some((start, (choices, end))) => choices.split(',').map(|choice| format!("{start}{choice}{end}")).collect(),
    }
}

#[test]
fn databases_and_commands_that_a_page_names_are_there() {
    let mut commands = BTreeSet::new();
    for product in ALL {
        let names: Vec<_> = product.databases().into_iter().map(|described| described.name).collect();
        let page = page(product.name);
        let parts = page.lines().flat_map(|line| line.split([';', '&', '(', '`'])).map(str::trim);
        for part in parts.filter(|part| part.starts_with("lifeboat ")) {
            let words: Vec<_> = part.split_whitespace().skip(1).take_while(|word| *word != "#").collect();
            for named in words.iter().filter_map(|word| word.strip_suffix("/latest")) {
                assert!(names.iter().any(|name| name == named), "{}: {part}", product.name);
            }
            let verbs = words.iter().take_while(|word| word.chars().all(|letter| letter.is_ascii_lowercase()));
            commands.insert(verbs.take(2).map(|verb| verb.trim_end_matches(')').to_owned()).collect::<Vec<_>>());
        }
    }
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        Lifeboat::new().args(&command).arg("--help").run().expect(0);
    }
}
