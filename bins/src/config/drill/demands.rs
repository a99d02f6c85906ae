//! `[[drill.assert]]` and `[drill.smoke]`: what the operator demands of the restored data.

use std::time::Duration;

use lifeboat_core::Name;
use lifeboat_drill::check::Expect;

use crate::config::origin::Sourced;
use crate::config::problems::Problems;
use crate::config::section::Section;
use crate::config::setting::{Misfit, Setting, quoted};

/// `[[drill.assert]]`.
#[derive(Clone, Debug)]
pub(crate) struct AssertConfig {
    /// Its name in reports.
    pub(crate) name: Sourced<String>,
    /// The database it is about; every one without it.
    pub(crate) database: Option<Sourced<Name>>,
    /// A query of one row and one column.
    pub(crate) sql: Sourced<String>,
    /// What it has to give.
    pub(crate) expect: Sourced<Expect>,
    /// How long it may take.
    pub(crate) timeout: Option<Sourced<Duration>>,
}

/// `[drill.smoke]`.
#[derive(Clone, Debug)]
pub(crate) struct SmokeConfig {
    /// The program and its arguments.
    pub(crate) command: Sourced<Vec<String>>,
    /// The database it is about; every one without it.
    pub(crate) database: Option<Sourced<Name>>,
    /// How long it may take.
    pub(crate) timeout: Option<Sourced<Duration>>,
}

impl AssertConfig {
    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        let database = |assert: &Self| assert.database.as_ref().map(|name| name.value.clone());
        self.name.value == other.name.value && database(self) == database(other)
    }

    pub(super) fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let (name, sql) = (section.require("name", problems), section.require("sql", problems));
        let expect = section.require("expect", problems);
        let (database, timeout) = (section.read("database", problems), section.read("timeout", problems));
        section.finish(problems);
        Some(Self { name: name?, database, sql: sql?, expect: expect?, timeout })
    }
}

impl SmokeConfig {
    pub(super) fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let command = section.require("command", problems);
        let (database, timeout) = (section.read("database", problems), section.read("timeout", problems));
        section.finish(problems);
        Some(Self { command: command?, database, timeout })
    }
}

impl Setting for Expect {
    const EXPECTED: &'static str = "an expectation such as \"> 100\", \"= 'active'\", \"true\" or \"fresh 26h\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}
