//! The definitions of a part as a script, in pg_restore's order.

use std::fmt::Write as _;
use std::sync::Arc;

use lifeboat_core::index::{Index, Section};

use super::choose::described;
use super::definition::{self, Definitions};
use super::kind::{is_relation, pass};
use super::part::Part;
use super::toc::Entry;
use crate::postgres::quote_literal;
use crate::restore::pieces::Pieces;
use crate::restore::script::Script;
use crate::restore::sections::Sections;
use crate::restore::settings::Settings;
use crate::restore::sql::Header;

impl Part {
    /// What is made before the rows and after them. What has no section goes with what it follows.
    pub(super) fn in_order(&self) -> (Vec<usize>, Vec<usize>) {
        let (mut section, mut before, mut after) = (Section::PreData, Vec::new(), Vec::new());
        for (position, entry) in self.toc.entries.iter().enumerate() {
            section = entry.section.unwrap_or(section);
            if self.chosen.included.contains(&position) {
                let early = section == Section::PreData && pass(&entry.kind) == 0;
                if early { before.push(position) } else { after.push(position) }
            }
        }
        after.sort_by_key(|position| pass(&self.toc.entries[*position].kind));
        (before, after)
    }

    /// The part as a script for a database that has nothing of it.
    pub(in crate::restore) fn script<'a>(&self, index: &'a Index) -> Script<'a> {
        let (before, after) = self.in_order();
        let mut definitions = Definitions::new(false);
        let mut text = |positions: Vec<usize>| {
            let entries = positions.into_iter().map(|at| &self.toc.entries[at]);
            let text = entries.map(|entry| commented(entry, &definitions.of(entry))).collect::<String>();
            Pieces::Text(text.into_bytes())
        };
        let sections = Sections {
            definitions: text(before),
            rows: self.ranges(index).collect(),
            values: Pieces::Text(self.values(index).into_bytes()),
            on_rows: text(after),
            unneeded_bytes: 0,
        };
        let texts = [&sections.definitions, &sections.values, &sections.on_rows];
        Script {
            sql_bytes: self.sql_bytes(index) + texts.map(Pieces::sql_bytes).iter().sum::<u64>(),
            sections,
            header: header(index),
            encoding: "UTF8".to_owned(),
            rows: self.rows(index),
            tables: self.tables_count(),
        }
    }

    fn values(&self, index: &Index) -> String {
        let value = |(entry, position): &(Option<usize>, usize)| {
            let name = definition::qualified(&self.toc.entries[(*entry)?]);
            Some(set_value(index, &name, *position) + "\n")
        };
        self.sequences.iter().filter_map(value).collect()
    }

    /// What is made without being selected and has columns: tables without rows, and views on them.
    pub(super) fn bare(&self) -> impl Iterator<Item = usize> {
        let is_bare = |at: &usize| is_relation(&self.toc.entries[*at].kind) && !self.chosen.selected.contains(at);
        self.chosen.included.iter().copied().filter(is_bare)
    }

    /// The same by name.
    pub(in crate::restore) fn without_rows(&self) -> Vec<String> {
        self.bare().map(|at| described(&self.toc.entries[at])).collect()
    }
}

/// The statement that gives a sequence its value; `name` is as SQL writes it.
pub(super) fn set_value(index: &Index, name: &str, position: usize) -> String {
    let sequence = &index.sequences[position];
    format!("SELECT pg_catalog.setval({}, {}, {});", quote_literal(name), sequence.value, sequence.called)
}

fn header(index: &Index) -> Header {
    let mut settings = Settings::default();
    for setting in SETTINGS {
        settings.make(setting);
    }
    Header { settings: Arc::new(settings), encoding: index.source.as_ref().map(|source| source.encoding.clone()) }
}

/// Statements behind the comment that pg_dump prints before them: messages name things by it.
fn commented(entry: &Entry, statements: &[String]) -> String {
    let line = |text: &str| text.replace(['\n', '\r'], " ");
    let schema = entry.schema.as_deref().unwrap_or("-");
    let (name, kind, schema, owner) = (line(&entry.tag), &entry.kind, line(schema), line(&entry.owner));
    statements.iter().fold(String::new(), |mut text, statement| {
        let _ =
            writeln!(text, "--\n-- Name: {name}; Type: {kind}; Schema: {schema}; Owner: {owner}\n--\n\n{statement}\n");
        text
    })
}

/// As pg_dump's scripts begin; our sessions have no time limits and speak UTF-8.
pub(super) const SETTINGS: &[&str] = &[
    "SET standard_conforming_strings = on;",
    "SET check_function_bodies = false;",
    "SET xmloption = content;",
    "SET client_min_messages = warning;",
    "SET row_security = off;",
    "SET lc_monetary = 'C';",
];
