//! `docs/json.md` names what the code writes: programs rely on it.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use lifeboat_core::{Error, Kind};
use serde_json::json;

use super::{Outcome, meter, ndjson, result};
use crate::cli::Lifeboat;
use crate::exit::Exit;

const PAGE: &str = include_str!("../../../docs/json.md");

/// The first cells of the page's tables, as they are between backquotes.
fn rows() -> BTreeSet<&'static str> {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    cells.flat_map(|cell| cell.split("`, `")).map(|name| name.trim_end_matches('`')).collect()
}

#[test]
fn every_record_and_counter_stands_on_the_page() {
    let rows = rows();
    for schema in [ndjson::STEP, ndjson::PROGRESS, ndjson::WARNING, result::RESULT] {
        assert!(rows.contains(schema), "{schema}");
    }
    for (_, name) in meter::NAMES {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_field_of_the_result_stands_on_the_page() {
    let rows = rows();
    let ended = [Ok(Outcome::success("", json!({}))), Err(Error::new(Kind::Failure, "do it"))];
    for ended in ended {
        let record = result::record(&ended, Exit::Success);
        for field in record.as_object().unwrap().keys().filter(|field| !["schema", "time"].contains(&field.as_str())) {
            assert!(rows.contains(field.as_str()), "{field}");
        }
    }
}

#[test]
fn every_command_stands_on_the_page() {
    let rows = rows();
    let (mut commands, program) = (Vec::new(), Lifeboat::command());
    leaves(&program, "", &mut commands);
    let missing: Vec<_> = commands.iter().filter(|command| !rows.contains(command.as_str())).collect();
    assert!(missing.is_empty(), "docs/json.md has no row for {missing:?}");
}

fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
        match inner.has_subcommands() {
            true => leaves(inner, &path, found),
            false => found.push(path),
        }
    }
}
