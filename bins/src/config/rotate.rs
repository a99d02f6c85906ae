//! `[rotate]` and `[[rotate.column]]`: which columns hold ciphertexts, in which form, and the keys they go from and to.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_core::Name;
use lifeboat_rotate::columns::{AadTemplate, KeyFormat, Layout};
use lifeboat_rotate::sweep::{Mode, TableName};

use super::layers::Layers;
use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::secret_ref::SecretRef;
use super::section::Section;
use super::setting::{Misfit, Setting, quoted};

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
    /// The columns.
    pub(crate) columns: Vec<ColumnConfig>,
}

/// Two keys, and how they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeysConfig {
    /// What values are under before.
    pub(crate) old: Option<Sourced<SecretRef>>,
    /// What they are under afterwards.
    pub(crate) new: Option<Sourced<SecretRef>>,
    /// How the application makes its key of the secret.
    pub(crate) key_format: Option<Sourced<KeyFormat>>,
    /// The same for the old key, where it differs.
    pub(crate) old_key_format: Option<Sourced<KeyFormat>>,
    /// The id by which values name the old key.
    pub(crate) old_id: Option<Sourced<String>>,
    /// The id by which they name the new one.
    pub(crate) new_id: Option<Sourced<String>>,
}

/// `[[rotate.column]]`.
#[derive(Clone, Debug)]
pub(crate) struct ColumnConfig {
    /// The database it is in; the only one without it.
    pub(crate) database: Option<Sourced<Name>>,
    /// Its table.
    pub(crate) table: Sourced<TableName>,
    /// The column; none where the layout names its columns.
    pub(crate) column: Option<Sourced<String>>,
    /// What a value looks like.
    pub(crate) layout: Sourced<Layout>,
    /// The columns by which rows are named.
    pub(crate) key_columns: Option<Sourced<Vec<String>>>,
    /// What else is authenticated.
    pub(crate) aad: Option<Sourced<AadTemplate>>,
    /// What the application can do meanwhile, where it differs.
    pub(crate) mode: Option<Sourced<Mode>>,
    /// Keys of its own.
    pub(crate) keys: KeysConfig,
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
        };
        section.finish(problems);
        found
    }

    /// Lays flags over the file. A column of the command line stands alone.
    pub(crate) fn layered(self, flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Self {
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

impl KeysConfig {
    fn read(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        Self {
            old: section.read("old", problems),
            new: section.read("new", problems),
            key_format: section.read("key_format", problems),
            old_key_format: section.read("old_key_format", problems),
            old_id: section.read("old_id", problems),
            new_id: section.read("new_id", problems),
        }
    }

    fn layered(self, flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Self {
        Self {
            old: layers.pick(("--old", flags.old), NONE, self.old),
            new: layers.pick(("--new", flags.new), NONE, self.new),
            key_format: layers.pick(("--key-format", flags.key_format), NONE, self.key_format),
            old_key_format: layers.pick(("--old-key-format", flags.old_key_format), NONE, self.old_key_format),
            old_id: layers.pick(("--old-id", flags.old_id), NONE, self.old_id),
            new_id: layers.pick(("--new-id", flags.new_id), NONE, self.new_id),
        }
    }

    /// These, and what they leave out of others.
    pub(crate) fn or(&self, others: &Self) -> Self {
        Self {
            old: self.old.clone().or_else(|| others.old.clone()),
            new: self.new.clone().or_else(|| others.new.clone()),
            key_format: self.key_format.clone().or_else(|| others.key_format.clone()),
            old_key_format: self.old_key_format.clone().or_else(|| others.old_key_format.clone()),
            old_id: self.old_id.clone().or_else(|| others.old_id.clone()),
            new_id: self.new_id.clone().or_else(|| others.new_id.clone()),
        }
    }
}

impl ColumnConfig {
    fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let (table, layout) = (section.require("table", problems), section.require("layout", problems));
        let column: Option<Sourced<String>> = section.read("column", problems);
        let has_column = section.has("column");
        let found = (|| {
            Some(Self {
                database: section.read("database", problems),
                table: table?,
                column,
                layout: layout?,
                key_columns: section.read("key_columns", problems),
                aad: section.read("aad", problems),
                mode: section.read("mode", problems),
                keys: KeysConfig::read(&mut section, problems),
            })
        })();
        if let Some(found) = &found
            && let Some(misfit) = misplaced(&found.layout.value, has_column)
        {
            problems.add(Place::of(&found.layout.origin), misfit);
        }
        if found.is_some() {
            // Otherwise keys that were not read for want of others would be called unknown.
            section.finish(problems);
        }
        found
    }

    fn of_flags(flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Option<Self> {
        let layout: Option<Sourced<Layout>> = layers.pick(("--layout", flags.layout), NONE, None);
        if flags.layout.is_none() {
            let missing = Misfit::new("--table needs --layout").help("lifeboat rotate columns detect finds it");
            layers.problems.add(Place::Named("--table"), missing);
        }
        if let Some(layout) = &layout
            && let Some(misfit) = misplaced(&layout.value, flags.column.is_some())
        {
            layers.problems.add(Place::Named("--layout"), misfit);
        }
        let key_columns = (!flags.key_columns.is_empty())
            .then(|| Sourced { value: flags.key_columns.to_vec(), origin: super::Origin::Flag("--key-column") });
        Some(Self {
            database: None,
            table: layers.pick(("--table", flags.table), NONE, None)?,
            column: layers.pick(("--column", flags.column), NONE, None),
            layout: layout?,
            key_columns,
            aad: layers.pick(("--aad", flags.aad), NONE, None),
            mode: None,
            keys: KeysConfig::default(),
        })
    }

    fn is_twin_of(&self, other: &Self) -> bool {
        let database = |column: &Self| column.database.as_ref().map(|name| name.value.clone());
        database(self) == database(other) && self.name() == other.name()
    }

    /// Whether these columns of that table are what is declared.
    pub(crate) fn is_of(&self, table: &TableName, columns: &[String]) -> bool {
        self.table.value == *table && self.columns() == columns
    }

    fn columns(&self) -> Vec<String> {
        let named = self.layout.value.columns().filter_map(|(name, _)| name.map(str::to_owned));
        self.column.iter().map(|column| column.value.clone()).chain(named).collect()
    }

    /// `schema.table.column`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.table.value, self.columns().join("+"))
    }
}

/// A layout names its columns, or a column is named: one of the two.
fn misplaced(layout: &Layout, has_column: bool) -> Option<Misfit> {
    let names_columns = layout.columns().any(|(name, _)| name.is_some());
    match (names_columns, has_column) {
        (true, true) => {
            Some(Misfit::new("the layout names its columns, and another one is named").help("leave `column` out"))
        }
        (false, false) => {
            Some(Misfit::new("which column has this layout is not said").help("add column = \"…\", or --column"))
        }
        _ => None,
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

impl Setting for Layout {
    const EXPECTED: &'static str = "a layout such as \"base64(iv tag ct)\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for KeyFormat {
    const EXPECTED: &'static str = "a key format such as \"hex\", \"sha256\" or \"scrypt(N=16384, r=8, p=1)\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for AadTemplate {
    const EXPECTED: &'static str = "a template such as \"{table}.{column}:{id}\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for TableName {
    const EXPECTED: &'static str = "a table such as \"secrets\" or \"app.secrets\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Mode {
    const EXPECTED: &'static str = "a mode: \"online\", \"staged\" or \"offline\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}
