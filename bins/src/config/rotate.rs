//! `[rotate]` and `[[rotate.column]]`: which columns hold ciphertexts, in which form, and the keys they go from and to.

mod column;
mod keys;
mod settings;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_core::Name;
use lifeboat_rotate::sweep::Mode;

pub(crate) use self::column::ColumnConfig;
pub(crate) use self::keys::KeysConfig;
use super::layers::Layers;
use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::secret_ref::SecretRef;
use super::section::Section;
use super::setting::Misfit;

/// How columns are rotated.
#[derive(Clone, Debug, Default)]
pub(crate) struct RotateConfig {
    /// The keys of columns that name none of their own.
    pub(crate) keys: KeysConfig,
    /// What the application can do meanwhile.
    pub(crate) mode: Option<Sourced<Mode>>,
    /// Sessions that work side by side.
    pub(crate) jobs: Option<Sourced<NonZeroU32>>,
    /// Rows of a batch.
    pub(crate) batch_rows: Option<Sourced<NonZeroU32>>,
    /// How long a batch should hold its rows.
    pub(crate) batch_time: Option<Sourced<Duration>>,
    /// The same while others write in the server.
    pub(crate) shared_batch_time: Option<Sourced<Duration>>,
    /// The wait after each batch.
    pub(crate) pause: Option<Sourced<Duration>>,
    /// How far a standby may lag behind.
    pub(crate) replication_lag: Option<Sourced<Duration>>,
    /// How long a statement may run.
    pub(crate) statement_timeout: Option<Sourced<Duration>>,
    /// How long a statement waits for a lock.
    pub(crate) lock_timeout: Option<Sourced<Duration>>,
    /// The file that names rows which can never be opened.
    pub(crate) accept_list: Option<Sourced<PathBuf>>,
    /// The columns that a command is about.
    pub(crate) columns: Vec<ColumnConfig>,
    /// Those of the file, also where one of the command line stands alone.
    pub(crate) declared: Vec<ColumnConfig>,
}

/// The flags of `rotate columns`, as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RotateFlags<'a> {
    /// `--old`.
    pub(crate) old: Option<&'a str>,
    /// `--new`.
    pub(crate) new: Option<&'a str>,
    /// `--key-format`.
    pub(crate) key_format: Option<&'a str>,
    /// `--old-key-format`.
    pub(crate) old_key_format: Option<&'a str>,
    /// `--old-id`.
    pub(crate) old_id: Option<&'a str>,
    /// `--new-id`.
    pub(crate) new_id: Option<&'a str>,
    /// `--mode`.
    pub(crate) mode: Option<&'a str>,
    /// `--jobs`.
    pub(crate) jobs: Option<&'a str>,
    /// `--batch-rows`.
    pub(crate) batch_rows: Option<&'a str>,
    /// `--pause`.
    pub(crate) pause: Option<&'a str>,
    /// `--accept-list`.
    pub(crate) accept_list: Option<&'a str>,
    /// `--table`: a column that no file declares; it takes the place of those that one does.
    pub(crate) table: Option<&'a str>,
    /// `--column`.
    pub(crate) column: Option<&'a str>,
    /// `--layout`.
    pub(crate) layout: Option<&'a str>,
    /// `--key-column`, as often as it was given.
    pub(crate) key_columns: &'a [String],
    /// `--aad`.
    pub(crate) aad: Option<&'a str>,
}

impl RotateConfig {
    /// Reads `[rotate]`.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("rotate", problems) else { return Self::default() };
        let columns = section.tables("column", problems);
        let found = Self {
            keys: KeysConfig::read(&mut section, problems),
            mode: section.read("mode", problems),
            jobs: section.read("jobs", problems),
            batch_rows: section.read("batch_rows", problems),
            batch_time: section.read("batch_time", problems),
            shared_batch_time: section.read("shared_batch_time", problems),
            pause: section.read("pause", problems),
            replication_lag: section.read("replication_lag", problems),
            statement_timeout: section.read("statement_timeout", problems),
            lock_timeout: section.read("lock_timeout", problems),
            accept_list: section.read("accept_list", problems),
            columns: columns.into_iter().filter_map(|column| ColumnConfig::read(column, problems)).collect(),
            declared: Vec::new(),
        };
        section.finish(problems);
        found
    }

    /// Lays flags over the file. A column of the command line stands alone.
    pub(crate) fn layered(self, flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Self {
        let declared = self.columns.clone();
        let columns = match flags.table {
            Some(_) => ColumnConfig::of_flags(flags, layers).into_iter().collect(),
            None => {
                refuse_lone(flags, layers.problems);
                self.columns
            }
        };
        Self {
            keys: self.keys.layered(flags, layers),
            mode: layers.pick(("--mode", flags.mode), NONE, self.mode),
            jobs: layers.pick(("--jobs", flags.jobs), NONE, self.jobs),
            batch_rows: layers.pick(("--batch-rows", flags.batch_rows), NONE, self.batch_rows),
            pause: layers.pick(("--pause", flags.pause), NONE, self.pause),
            accept_list: layers.pick(("--accept-list", flags.accept_list), NONE, self.accept_list),
            columns,
            declared,
            ..self
        }
    }

    /// Old keys of columns that are the new key of none.
    pub(crate) fn keys_that_go(&self) -> impl Iterator<Item = &SecretRef> {
        let all = || self.columns.iter().map(|column| &column.keys).chain([&self.keys]);
        let stays = move |key: &SecretRef| all().any(|keys| keys.new.as_ref().is_some_and(|new| new.value == *key));
        all().filter_map(|keys| keys.old.as_ref().map(|old| &old.value)).filter(move |key| !stays(key))
    }

    /// A column lies in a database that is configured, and two are not the same.
    pub(crate) fn judge(&self, databases: &[Name], problems: &mut Problems) {
        for (at, column) in self.columns.iter().enumerate() {
            match &column.database {
                Some(name) if !databases.is_empty() && !databases.contains(&name.value) => {
                    let misfit = Misfit::new(format!("no [[database]] is called {:?}", name.value.as_str()));
                    problems.add(Place::of(&name.origin), misfit);
                }
                None if databases.len() > 1 => {
                    let misfit = Misfit::new("which database the table is in is not said: there are several");
                    problems.add(Place::of(&column.table.origin), misfit.help("add database = \"…\""));
                }
                _ => {}
            }
            if self.columns[..at].iter().any(|other| other.is_twin_of(column)) {
                let misfit = Misfit::new(format!("{} stands here a second time", column.name()));
                let help = "a rotation knows one layout of a column: values in another are to be written anew by the application";
                problems.add(Place::of(&column.table.origin), misfit.help(help));
            }
        }
    }
}

/// Flags that describe a column, without its table.
fn refuse_lone(flags: RotateFlags<'_>, problems: &mut Problems) {
    let lone = [("--column", flags.column), ("--layout", flags.layout), ("--aad", flags.aad)];
    for (flag, _) in lone.into_iter().filter(|(_, value)| value.is_some()) {
        problems.add(Place::Named(flag), Misfit::new(format!("{flag} needs --table")));
    }
    if !flags.key_columns.is_empty() {
        problems.add(Place::Named("--key-column"), Misfit::new("--key-column needs --table"));
    }
}

/// No variable sets these: a rotation is begun by somebody who is there.
const NONE: &str = "";
