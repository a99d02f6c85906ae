//! The backup of the database as it is, before anything takes its place.
//!
//! It has a name and a class of its own: the newest backup of the database must stay the one that is restored, and a store's
//! lifecycle rule for nightly backups must not delete it.

use std::path::PathBuf;

use lifeboat_core::{Name, Result};

use crate::backup::BackupOptions;
use crate::postgres::ConnectionSettings;
use crate::source::{Reach, Source};

/// How it is taken.
#[derive(Clone)]
pub struct SafetyBackup {
    /// As any backup; its class is `safety`.
    pub options: BackupOptions,
    /// The folder with the client tools; looked for in the usual places without one.
    pub tools_dir: Option<PathBuf>,
}

impl SafetyBackup {
    pub(super) fn options(&self) -> Result<BackupOptions> {
        Ok(BackupOptions { class: CLASS.parse()?, ..self.options.clone() })
    }

    /// The database under the name that its safety backups have: that of its backups, and what tells them apart. Where a safety backup
    /// is restored, too: whoever asks for the newest one must not get the one that is taken now.
    pub(super) fn source(&self, database: &Name, live: &ConnectionSettings) -> Result<Source> {
        let name = format!("{database}{SUFFIX}").parse()?;
        let reach = Reach::Direct { settings: Box::new(live.clone()), tools_dir: self.tools_dir.clone() };
        Ok(Source::new(name, reach))
    }
}

/// Whether the backups of this name are safety backups: of what was a database once, and not of what is one.
#[must_use]
pub fn is_safety(database: &Name) -> bool {
    database.as_str().ends_with(SUFFIX)
}

const CLASS: &str = "safety";
const SUFFIX: &str = ".replaced";
