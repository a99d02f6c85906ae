//! Which databases and which of their columns a command is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::Reach;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};
use lifeboat_rotate::sweep::{
    AcceptList, Failures, KeySource, Limits, Phase, Status, SweepOptions, TableName, Target, TargetStatus, status,
};

use super::bound::declared;
use super::keys;
use crate::cli::WhereArgs;
use crate::commands::{Context, source};
use crate::config::{ColumnConfig, Config, Database, Flags, Origin, SingleDatabase};

/// What a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A database.
    Database,
    /// Columns and their new keys.
    NewKey,
    /// Columns and their old and new keys.
    BothKeys,
}

/// What every one of these commands works with.
pub(super) struct Scene<'a> {
    pub(super) context: &'a Context,
    pub(super) config: Config,
    place: &'a WhereArgs,
    pub(super) places: Vec<Place>,
}

/// A database, and its columns.
pub(super) struct Place {
    pub(super) database: Database,
    pub(super) settings: ConnectionSettings,
    pub(super) targets: Vec<Target>,
    /// Whether every target's old key is at hand.
    pub(super) has_old_keys: bool,
    /// Where each target's old key is, in the operator's words.
    pub(super) old: BTreeMap<String, String>,
    /// The configuration of each target.
    columns: Vec<ColumnConfig>,
}

impl Place {
    /// Whether the newest rotation of each of its columns is the one from the old to the new key that are given, and in this phase.
    pub(super) fn is_in(&self, phase: Phase, status: &Status) -> bool {
        self.all_in(phase, status).is_some()
    }

    /// These rotations, in the order of the columns.
    pub(super) fn all_in<'s>(&self, phase: Phase, status: &'s Status) -> Option<Vec<&'s TargetStatus>> {
        let fingerprint = |key: &KeySource| key.derive().map(|key| key.fingerprint().to_owned()).ok();
        let found = self.targets.iter().map(|target| {
            let (old, new) = (fingerprint(&target.keys.old), fingerprint(&target.keys.new));
            status.targets.iter().find(|known| {
                let same_keys = old.as_ref() == Some(&known.old_key) && new.as_ref() == Some(&known.new_key);
                let same = known.table == target.table && known.columns == target.value_columns();
                same && same_keys && known.phase == phase
            })
        });
        found.collect()
    }

    /// A database whose columns nobody has declared.
    pub(super) fn bare(database: &Database, settings: ConnectionSettings) -> Self {
        let database = database.clone();
        Self { database, settings, targets: Vec::new(), has_old_keys: false, old: BTreeMap::new(), columns: Vec::new() }
    }
}

impl<'a> Scene<'a> {
    /// Finds out what the command is about.
    pub(super) async fn set(
        context: &'a Context,
        flags: Flags<'_>,
        place: &'a WhereArgs,
        needs: Needs,
    ) -> Result<Self> {
        let config = config(context, flags, place)?;
        let mut places = Vec::new();
        for database in databases(&config)? {
            let columns: Vec<_> =
                config.rotate.columns.iter().filter(|column| is_in(column, database, &config)).collect();
            if columns.is_empty() && needs != Needs::Database {
                continue;
            }
            let (mut targets, mut old, mut has_old_keys) = (Vec::new(), BTreeMap::new(), true);
            if needs != Needs::Database {
                for column in &columns {
                    let target = keys::target(column, &config.rotate.keys, needs, &context.environment).await;
                    let (target, has_old_key) = match target {
                        Ok(found) => found,
                        Err(error) => return Err(expecting(error, column, database, context).await),
                    };
                    let named = column.keys.or(&config.rotate.keys).old;
                    old.extend(named.map(|reference| (target.to_string(), reference.value.to_string())));
                    targets.push(target);
                    has_old_keys &= has_old_key;
                }
            }
            let settings = settings(database, context).await?;
            places.push(Place {
                database: database.clone(),
                settings,
                targets,
                has_old_keys,
                old,
                columns: columns.into_iter().cloned().collect(),
            });
        }
        if places.is_empty() {
            return Err(none_meant(&config));
        }
        Ok(Self { context, config, place, places })
    }

    /// What the file declares, whatever the command line says of columns and keys.
    ///
    /// # Errors
    /// [`Kind::Config`] when it cannot be read any more.
    pub(super) fn configured(&self) -> Result<Config> {
        config(self.context, self.context.global.flags(), self.place)
    }

    /// How a place's columns are rotated. They share one mode: one application has them.
    pub(super) fn options(&self, place: &Place) -> Result<SweepOptions> {
        let rotate = &self.config.rotate;
        let asked = |column: &ColumnConfig| column.mode.as_ref().or(rotate.mode.as_ref()).map(|mode| mode.value);
        // Not said: as the rotation that is under way began.
        let mode = place.columns.first().map_or_else(|| rotate.mode.as_ref().map(|mode| mode.value), asked);
        let other = place.columns.iter().find(|column| asked(column) != mode);
        if let Some(other) = other {
            let doing = format!("rotate {} in another mode than the columns before it", other.name());
            return Err(Error::new(Kind::Usage, doing)
                .hint("rotate it by a run of its own, with --table, --column and --layout"));
        }
        let usual = Limits::default();
        let limits = Limits {
            batch_time: rotate.batch_time.as_ref().map_or(usual.batch_time, |time| time.value),
            shared_batch_time: rotate.shared_batch_time.as_ref().map_or(usual.shared_batch_time, |time| time.value),
            pause: rotate.pause.as_ref().map_or(usual.pause, |pause| pause.value),
            replication_lag: rotate.replication_lag.as_ref().map(|lag| lag.value).or(usual.replication_lag),
            statement_timeout: rotate.statement_timeout.as_ref().map_or(usual.statement_timeout, |limit| limit.value),
            lock_timeout: rotate.lock_timeout.as_ref().map_or(usual.lock_timeout, |limit| limit.value),
            ..usual
        };
        let (accept, usual) = (accepted(&self.config)?, SweepOptions::default());
        Ok(SweepOptions {
            mode,
            // Room for every row that is given up, so that lines which name none can be told.
            failures_named: usual.failures_named + accept.len(),
            jobs: rotate.jobs.as_ref().map(|jobs| jobs.value.get() as usize),
            batch_rows: rotate.batch_rows.as_ref().map(|rows| rows.value.get() as usize),
            limits,
            accept,
            declared: declared(&self.config, &place.database.name.value),
            ..usual
        })
    }

    /// Lines of the accept list that are about these columns, and name no row that did not open.
    pub(super) fn unmatched<'f>(
        &self,
        found: impl Iterator<Item = (&'f TableName, &'f [String], &'f Failures)>,
    ) -> Result<Vec<String>> {
        Ok(accepted(&self.config)?.unmatched(found))
    }
}

/// The rows that were given up.
///
/// # Errors
/// [`Kind::Config`] when the list cannot be read, [`Kind::Usage`] for a line of it.
pub(in crate::commands) fn accepted(config: &Config) -> Result<AcceptList> {
    let Some(file) = &config.rotate.accept_list else { return Ok(AcceptList::default()) };
    let text = std::fs::read_to_string(&file.value)
        .kind_of(Kind::Config, || format!("read the accept list {}", file.value.display()))?;
    AcceptList::parse(&text).map_err(|error| error.while_doing(format!("read {}", file.value.display())))
}

/// The configuration, in which `--database-url` is the one database there is. A name it needs only where backups are listed.
pub(super) fn config(context: &Context, flags: Flags<'_>, place: &WhereArgs) -> Result<Config> {
    let Some(url) = place.database_url.as_deref() else { return context.config(flags) };
    let named =
        |name| context.config(Flags { database: SingleDatabase { name, url: Some(url), of_store: false }, ..flags });
    if flags.database.name.is_some() || context.environment.var(crate::config::env_vars::NAME).is_some() {
        return named(flags.database.name);
    }
    let known = context.config(flags)?;
    named(if known.databases.len() == 1 { None } else { Some(NAMELESS) })
}

/// The databases that are meant.
///
/// # Errors
/// [`Kind::Config`] when there is none.
pub(super) fn databases(config: &Config) -> Result<&[Database]> {
    if config.databases.is_empty() {
        return Err(Error::new(Kind::Config, "find out which database is meant: none is configured").hint(
            "give --database-url env:NAME, set LIFEBOAT_NAME and LIFEBOAT_DATABASE_URL, or write a [[database]]",
        ));
    }
    Ok(&config.databases)
}

/// No column of these databases is known, whatever is declared for others.
fn none_meant(config: &Config) -> Error {
    let databases = config.rotate.columns.iter().filter_map(|column| column.database.as_ref());
    let elsewhere: BTreeSet<_> = databases.map(|name| name.value.as_str()).collect();
    let elsewhere: Vec<_> = elsewhere.into_iter().collect();
    let error = |why: &str| Error::new(Kind::Config, format!("find out which columns are meant: {why}"));
    match elsewhere.as_slice() {
        [] if config.rotate.columns.is_empty() => error("none is declared").hint(
            "give --table, --column and --layout, or write a [[rotate.column]]; lifeboat rotate columns detect finds them",
        ),
        [] => error("several databases are configured, and which one the table is in is not said").hint("give --name"),
        [one, ..] => error(&format!("those that are declared are in {}", elsewhere.join(", "))).hint(format!(
            "give --name {one} when that is the database, or --table, --column and --layout"
        )),
    }
}

/// Columns of the command line are in whichever database is meant; those of the file in theirs, or in the only one.
fn is_in(column: &ColumnConfig, database: &Database, config: &Config) -> bool {
    match &column.database {
        Some(name) => name.value == database.name.value,
        None => config.databases.len() == 1,
    }
}

/// An error about keys with the fingerprint of the one that the rotation under way goes to, if the database tells in a moment.
async fn expecting(error: Error, column: &ColumnConfig, database: &Database, context: &Context) -> Error {
    let asked = async {
        let settings = settings(database, context).await?;
        status(&settings, &Job::new(Arc::new(Silent), context.cancel.clone())).await
    };
    let Ok(Ok(status)) = tokio::time::timeout(PATIENCE, Box::pin(asked)).await else { return error };
    let is_it = |target: &&TargetStatus| {
        column.is_of(&target.table, &target.columns) && !matches!(target.phase, Phase::Finalized | Phase::RolledBack)
    };
    let Some(target) = status.targets.iter().find(is_it) else { return error };
    let expected = format!(
        "a rotation of {} is under way from the key {} to the key {}",
        column.name(),
        target.old_key,
        target.new_key
    );
    let hint = error.help().map_or_else(|| expected.clone(), |help| format!("{help}; {expected}"));
    error.hint(hint)
}

/// How long an error waits for a word from the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a database is reached by sessions of our own.
pub(super) async fn settings(database: &Database, context: &Context) -> Result<ConnectionSettings> {
    let mut database = database.clone();
    if database.url.as_ref().is_some_and(|url| matches!(url.origin, Origin::Flag(_) | Origin::Env(_))) {
        // Whoever gives an address here means it, where backups go through a program.
        (database.tools_prefix, database.user, database.dbname) = (None, None, None);
    }
    match source::reach(&database, &context.environment).await? {
        Reach::Direct { settings, .. } => Ok(*settings),
        Reach::Prefixed { .. } => {
            let doing = format!("reach {} for a rotation: it is reached through a program only", database.name.value);
            Err(Error::new(Kind::Config, doing).hint(
                "a rotation needs connections of its own: give --name and --database-url env:NAME with an address that this host reaches",
            ))
        }
    }
}

/// What a database is called that nobody named.
pub(super) const NAMELESS: &str = "database";
