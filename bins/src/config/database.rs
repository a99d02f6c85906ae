//! `[[database]]`: one database to back up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lifeboat_core::Name;

use super::database_url::DatabaseUrl;
use super::env_vars;
use super::layers::{Flag, Layers};
use super::origin::{Origin, Sourced};
use super::problems::{Place, Problems};
use super::section::Section;
use super::setting::Misfit;
use lifeboat_backup::MethodChoice;

/// A database, its name in the store, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// The name in the store.
    pub(crate) name: Sourced<Name>,
    /// Where it is; without one, `PG*` variables and libpq's defaults say.
    pub(crate) url: Option<Sourced<DatabaseUrl>>,
    /// The command through which every Postgres tool runs.
    pub(crate) tools_prefix: Option<Sourced<Vec<String>>>,
    /// The folder of the Postgres tools, where it is none of the usual ones.
    pub(crate) tools_dir: Option<Sourced<PathBuf>>,
    /// The role, for use with `tools_prefix`.
    pub(crate) user: Option<Sourced<String>>,
    /// The database's name on the server, for use with `tools_prefix`.
    pub(crate) dbname: Option<Sourced<String>>,
    /// The dump method, where it differs from the common one.
    pub(crate) method: Option<Sourced<MethodChoice>>,
}

impl Database {
    fn named(name: Sourced<Name>) -> Self {
        Self { name, url: None, tools_prefix: None, tools_dir: None, user: None, dbname: None, method: None }
    }

    /// Reads every `[[database]]`.
    pub(crate) fn read_all(root: &mut Section<'_, '_>, problems: &mut Problems) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut lines = BTreeMap::new();
        for section in root.tables("database", problems) {
            let Some(database) = Self::read(section, problems) else { continue };
            if let Origin::File { span, line } = &database.name.origin
                && let Some(first) = lines.insert(database.name.value.clone(), *line)
            {
                let misfit =
                    Misfit::new(format!("the name {:?} is taken by line {first}", database.name.value.as_str()));
                problems
                    .add(Place::File(span.clone()), misfit.help("backups are kept under the name: each needs its own"));
            }
            found.push(database);
        }
        found
    }

    fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let name = section.require("name", problems);
        let database = Self {
            url: section.read("url", problems),
            tools_prefix: section.read("tools_prefix", problems),
            tools_dir: section.read("tools_dir", problems),
            user: section.read("user", problems),
            dbname: section.read("dbname", problems),
            method: section.read("method", problems),
            ..Self::named(name.clone().unwrap_or_else(|| Sourced::default_of("x".parse().expect("a valid name"))))
        };
        section.finish(problems);
        name.map(|_| database)
    }
}

/// The flags that describe a single database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SingleDatabase<'a> {
    /// `--name`.
    pub(crate) name: Option<&'a str>,
    /// `--database-url`.
    pub(crate) url: Option<&'a str>,
    /// Whether the name may be one that the store alone knows, for a command that reads backups: that of a database that is gone.
    pub(crate) of_store: bool,
}

/// Lays flags and environment over the file's databases: a name narrows them to that one, a URL describes it.
pub(crate) fn layered(mut file: Vec<Database>, flags: SingleDatabase<'_>, layers: &mut Layers<'_>) -> Vec<Database> {
    let name: Option<Sourced<Name>> = layers.pick(flag("--name", flags.name), env_vars::NAME, None);
    let url: Option<Sourced<DatabaseUrl>> =
        layers.pick(flag("--database-url", flags.url), env_vars::DATABASE_URL, None);
    let tools_prefix: Option<Sourced<Vec<String>>> = layers.pick(flag("", None), env_vars::TOOLS_PREFIX, None);
    let tools_dir: Option<Sourced<PathBuf>> = layers.pick(flag("", None), env_vars::TOOLS_DIR, None);
    let found = name.as_ref().and_then(|name| file.iter().position(|database| database.name.value == name.value));
    let mut database = match (found, name) {
        (Some(at), _) => file.swap_remove(at),
        (None, Some(name)) if flags.of_store && is_flag(&name) && !file.is_empty() => return file,
        (None, Some(name)) => match nameless(&file, &name, url.is_some() || tools_prefix.is_some(), layers) {
            true => Database::named(name),
            false => return file,
        },
        (None, None) if url.is_none() && tools_prefix.is_none() => return file,
        (None, None) if file.len() == 1 => file.swap_remove(0),
        (None, None) => {
            layers.problems.add(Place::Nowhere, Misfit::new("the database has no name").help(NAME_HELP));
            return file;
        }
    };
    database.url = url.or(database.url);
    database.tools_prefix = tools_prefix.or(database.tools_prefix);
    database.tools_dir = tools_dir.or(database.tools_dir);
    vec![database]
}

/// Whether a name that the file does not know describes a database: it must be said where that is, or the file must
/// know none at all.
fn nameless(file: &[Database], name: &Sourced<Name>, described: bool, layers: &mut Layers<'_>) -> bool {
    if described || file.is_empty() {
        return true;
    }
    let known = file.iter().map(|database| database.name.value.as_str()).collect::<Vec<_>>().join(", ");
    let misfit = Misfit::new(format!("no [[database]] is called {:?}", name.value.as_str()));
    let misfit = misfit.help(format!("configured are {known}"));
    let misfit = if is_flag(name) { misfit.of_arguments() } else { misfit };
    layers.problems.add(Place::of(&name.origin), misfit);
    false
}

fn is_flag(name: &Sourced<Name>) -> bool {
    matches!(name.origin, Origin::Flag(_))
}

fn flag<'a>(name: &'static str, value: Option<&'a str>) -> Flag<'a> {
    (name, value)
}

const NAME_HELP: &str = "give --name or LIFEBOAT_NAME: backups are kept under it";
