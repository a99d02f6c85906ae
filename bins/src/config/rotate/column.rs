//! `[[rotate.column]]`: a column that holds ciphertexts.

use lifeboat_core::Name;
use lifeboat_rotate::columns::{AadTemplate, Layout};
use lifeboat_rotate::sweep::{Mode, TableName};

use super::keys::KeysConfig;
use super::{NONE, RotateFlags};
use crate::config::Origin;
use crate::config::layers::Layers;
use crate::config::origin::Sourced;
use crate::config::problems::{Place, Problems};
use crate::config::section::Section;
use crate::config::setting::Misfit;

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

impl ColumnConfig {
    pub(super) fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let (table, layout) = (section.require("table", problems), section.require("layout", problems));
        // Every key is read before any is missed, so that what is wrong is told at once.
        let has_column = section.has("column");
        let column: Option<Sourced<String>> = section.read("column", problems);
        let database = section.read("database", problems);
        let key_columns = section.read("key_columns", problems);
        let aad = section.read("aad", problems);
        let mode = section.read("mode", problems);
        let keys = KeysConfig::read(&mut section, problems);
        section.finish(problems);
        let found = Self { database, table: table?, column, layout: layout?, key_columns, aad, mode, keys };
        if let Some(misfit) = misplaced(&found.layout.value, has_column) {
            problems.add(Place::of(&found.layout.origin), misfit);
        }
        Some(found)
    }

    pub(super) fn of_flags(flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Option<Self> {
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
            .then(|| Sourced { value: flags.key_columns.to_vec(), origin: Origin::Flag("--key-column") });
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

    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        let database = |column: &Self| column.database.as_ref().map(|name| name.value.clone());
        database(self) == database(other) && self.name() == other.name()
    }

    /// Whether these columns of that table are what is declared.
    pub(crate) fn is_of(&self, table: &TableName, columns: &[String]) -> bool {
        self.table.value == *table && self.columns() == columns
    }

    /// The columns that hold a value.
    pub(crate) fn columns(&self) -> Vec<String> {
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
