//! The operator's page shows expressions that are read.

use std::str::FromStr;

use crate::columns::{AadTemplate, KeyFormat, Layout};

const PAGE: &str = include_str!("../../../../../docs/rotate-a-key.md");

/// The first column of the table under a heading.
fn first_column(heading: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

fn read<T: FromStr<Err = lifeboat_core::Error> + ToString + PartialEq>(heading: &str) -> usize {
    let expressions = first_column(heading);
    for text in &expressions {
        let value: T = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(value.to_string().parse::<T>().unwrap() == value, "{text}");
    }
    expressions.len()
}

#[test]
fn every_layout_key_format_and_template_of_the_page_is_read() {
    assert_eq!(read::<Layout>("What is stored: the layout"), 16);
    assert_eq!(read::<KeyFormat>("How the key is made: `--key-format`"), 8);
    assert_eq!(read::<AadTemplate>("What a value is bound to: AAD"), 3);
}

#[test]
fn the_page_names_every_outcome() {
    for name in ["rotated", "already new", "empty", "plaintext", "unknown key", "failed authentication", "malformed"] {
        assert!(PAGE.contains(&format!("\n| {name} |")), "{name}");
    }
}
