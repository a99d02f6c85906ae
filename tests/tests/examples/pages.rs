//! What the pages tell to type, and lead to, exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn links_of_the_pages_lead_to_files_and_headings() {
    let mut seen = 0;
    for page in pages() {
        for link in links(&page) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let case = format!("{link} in {}", page.display());
            assert!(target.exists(), "{case}");
            assert!(heading.is_empty() || headings(&target).contains(heading), "{case}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// Every page for people.
fn pages() -> Vec<PathBuf> {
    let examples = ALL.iter().map(|product| format!("examples/{}", product.name));
    let folders = ["", "docs", "examples"].into_iter().map(str::to_owned).chain(examples);
    let entries = folders.flat_map(|folder| fs::read_dir(scratch::workspace().join(folder)).unwrap());
    let pages = entries.map(|entry| entry.unwrap().path());
    pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The text of a page that is no code.
fn prose(page: &Path) -> Vec<String> {
    let (text, mut is_code) = (fs::read_to_string(page).unwrap(), false);
    let mut prose = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if !is_code {
            prose.push(line.to_owned());
        }
    }
    prose
}

/// What a page links to within the repository.
fn links(page: &Path) -> Vec<String> {
    let text = prose(page).join("\n");
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link.to_owned())
        .filter(|link| !link.contains("://") && !link.contains(char::is_whitespace))
        .collect()
}

/// The anchors of a page's headings, as they are made where the repository is read.
fn headings(page: &Path) -> BTreeSet<String> {
    let lines = prose(page).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |line: String| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().replace(' ', "-")
    };
    lines.map(anchor).collect()
}
