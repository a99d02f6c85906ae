//! Every object name there is. No other file spells one.

use jiff::Timestamp;

use crate::codec::Compression;
use crate::id::{BackupId, DrillId, Name, RunId};
use crate::keys::KeyId;

/// The folder of all backups.
pub const BACKUPS: &str = "backups";
/// The folder of all run records.
pub const RUNS: &str = "runs";
/// The folder of all drill records.
pub const DRILLS: &str = "drills";
/// The commit.
pub const MANIFEST: &str = "manifest.json";
/// Ranges, fingerprints, source.
pub const INDEX: &str = "index.json.gz";
/// Definitions by class.
pub const CATALOG: &str = "catalog.json.gz";
/// The schema archive.
pub const SCHEMA: &str = "schema.dump.gz";
/// Roles and tablespaces.
pub const GLOBALS: &str = "globals.sql.gz";
/// Properties of the database itself.
pub const DATABASE: &str = "database.sql.gz";

/// Where one backup lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupPath {
    /// Class, the first folder, so that lifecycle rules can tell daily from monthly.
    pub class: Name,
    /// The database's name in the store.
    pub database: Name,
    /// The backup.
    pub id: BackupId,
}

impl BackupPath {
    /// The name of one of its objects in the store.
    #[must_use]
    pub fn object(&self, name: &str) -> String {
        format!("{BACKUPS}/{}/{}/{}/{name}", self.class, self.database, self.id)
    }

    /// The backup and the object that a name in the store belongs to; `None` for names that are not ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Self, &str)> {
        let mut parts = name.strip_prefix(BACKUPS)?.strip_prefix('/')?.splitn(4, '/');
        let path = Self {
            class: parts.next()?.parse().ok()?,
            database: parts.next()?.parse().ok()?,
            id: parts.next()?.parse().ok()?,
        };
        Some((path, parts.next()?))
    }
}

/// How an operator names this backup: `shop/20261121T021700Z-7f3a9c`.
impl std::fmt::Display for BackupPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.database, self.id)
    }
}

/// The name of an object once it is sealed.
#[must_use]
pub fn sealed(name: &str) -> String {
    format!("{name}{SEALED}")
}

/// Whether a name is that of a sealed object.
#[must_use]
pub fn is_sealed(name: &str) -> bool {
    name.ends_with(SEALED)
}

/// The name of an object before it was sealed.
#[must_use]
pub fn unsealed(name: &str) -> &str {
    name.strip_suffix(SEALED).unwrap_or(name)
}

const SEALED: &str = ".sealed";

/// The wrap of a data key under the key called `id`.
#[must_use]
pub fn wrap(id: &KeyId) -> String {
    format!("{KEYS}{id}.json")
}

/// The key that an object of a backup or a run wraps its data key under; `None` for anything that is no wrap.
#[must_use]
pub fn wrapped_under(name: &str) -> Option<KeyId> {
    name.strip_prefix(KEYS)?.strip_suffix(".json")?.parse().ok()
}

const KEYS: &str = "keys/";

/// A piece of a script, in one or more objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The whole script, by the method `stream`.
    Dump,
    /// Definitions that rows need.
    PreData,
    /// Rows.
    Data,
    /// Large objects.
    LargeObjects,
    /// Values of sequences.
    Sequences,
    /// Indexes, constraints, triggers and what else stands on rows.
    PostData,
}

impl Piece {
    /// The name of its n-th object in the backup's folder.
    #[must_use]
    pub fn object(self, position: usize, compression: Compression) -> String {
        format!("{}-{position:04}.sql{}", self.stem(), compression.suffix())
    }

    fn stem(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::PreData => "pre-data",
            Self::Data => "data",
            Self::LargeObjects => "large-objects",
            Self::Sequences => "sequences",
            Self::PostData => "post-data",
        }
    }
}

/// The record that a run began.
#[must_use]
pub fn run_start(run: &RunId) -> String {
    format!("{RUNS}/{}/{run}{START}", month(run.start()))
}

/// The record of how a run ended.
#[must_use]
pub fn run_end(run: &RunId) -> String {
    format!("{RUNS}/{}/{run}{END}", month(run.start()))
}

/// Which record of a run a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunRecord {
    /// That it began.
    Start,
    /// How it ended.
    End,
}

/// The run that a name in the store is a record of, and which; `None` for names that are not ours.
#[must_use]
pub fn parse_run_record(name: &str) -> Option<(RunId, RunRecord)> {
    let (_, file) = name.strip_prefix(RUNS)?.strip_prefix('/')?.split_once('/')?;
    let of = |suffix, record| Some((file.strip_suffix(suffix)?.parse::<RunId>().ok()?, record));
    let (run, record) = of(START, RunRecord::Start).or_else(|| of(END, RunRecord::End))?;
    let own = if record == RunRecord::Start { run_start(&run) } else { run_end(&run) };
    (own == name).then_some((run, record))
}

/// An object in the folder of what a run had to seal.
#[must_use]
pub fn run_object(run: &RunId, name: &str) -> String {
    format!("{RUNS}/{}/{run}/{name}", month(run.start()))
}

/// The run in whose folder a name in the store lies, and the name within; `None` for names that are not ours.
#[must_use]
pub fn parse_run_object(name: &str) -> Option<(RunId, &str)> {
    let mut parts = name.strip_prefix(RUNS)?.strip_prefix('/')?.splitn(3, '/');
    let (_, run, object) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    (run_object(&run, object) == name).then_some((run, object))
}

/// What went wrong in a run, as its errors tell it.
pub const RUN_DETAILS: &str = "details.json";

/// The folder of a database's drills, with its closing slash.
#[must_use]
pub fn drills_of(database: &Name) -> String {
    format!("{DRILLS}/{database}/")
}

/// The record that a drill began.
#[must_use]
pub fn drill_start(database: &Name, drill: &DrillId) -> String {
    format!("{DRILLS}/{database}/{drill}{START}")
}

/// The record of how a drill ended.
#[must_use]
pub fn drill_end(database: &Name, drill: &DrillId) -> String {
    format!("{DRILLS}/{database}/{drill}{END}")
}

/// An object in a drill's folder.
#[must_use]
pub fn drill_object(database: &Name, drill: &DrillId, name: &str) -> String {
    format!("{DRILLS}/{database}/{drill}/{name}")
}

/// A drill's report.
pub const DRILL_REPORT: &str = "report.json";
/// The signed statement of what a drill proved.
pub const DRILL_EVIDENCE: &str = "evidence.json";

/// The folder of what a probe of the store writes and deletes again. No reader looks there.
#[must_use]
pub fn probe_folder(probe: &RunId) -> String {
    format!("{PROBES}/{probe}")
}

const PROBES: &str = "probe";

/// What a name under [`DRILLS`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillName<'a> {
    /// The record that it began.
    Start,
    /// The record of how it ended.
    End,
    /// An object in its folder.
    Object(&'a str),
}

/// The database, the drill and what a name in the store is to it; `None` for names that are not ours.
#[must_use]
pub fn parse_drill(name: &str) -> Option<(Name, DrillId, DrillName<'_>)> {
    let (database, rest) = name.strip_prefix(DRILLS)?.strip_prefix('/')?.split_once('/')?;
    let database = database.parse().ok()?;
    if let Some((drill, object)) = rest.split_once('/') {
        return Some((database, drill.parse().ok()?, DrillName::Object(object)));
    }
    let record = |suffix, kind| Some((rest.strip_suffix(suffix)?.parse().ok()?, kind));
    let (drill, kind) = record(START, DrillName::Start).or_else(|| record(END, DrillName::End))?;
    Some((database, drill, kind))
}

const START: &str = ".start.json";
const END: &str = ".end.json";

fn month(time: Timestamp) -> String {
    time.strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::{
        BackupPath, DrillName, RunRecord, drill_end, drill_object, drill_start, parse_drill, parse_run_object,
        parse_run_record, run_end, run_object, run_start, wrap, wrapped_under,
    };
    use crate::keys::KeyId;

    #[test]
    fn records_of_runs_are_told_from_what_lies_beside_them() {
        let run: crate::id::RunId = "20261121T021700Z-01ab23".parse().unwrap();
        assert_eq!(parse_run_record(&run_start(&run)), Some((run.clone(), RunRecord::Start)));
        assert_eq!(parse_run_record(&run_end(&run)), Some((run.clone(), RunRecord::End)));
        let elsewhere = run_end(&run).replace("2026-11", "2026-10");
        for name in [&*run_object(&run, "details.json.sealed"), &elsewhere, "runs/x.end.json", "backups/a/b/c.end.json"]
        {
            assert_eq!(parse_run_record(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_read_back_and_foreign_names_are_not() {
        let name = "backups/daily/shop/20261121T021700Z-7f3a9c/manifest.json";
        let (path, object) = BackupPath::parse(name).unwrap();
        assert_eq!((path.object("manifest.json").as_str(), object), (name, "manifest.json"));
        assert_eq!(path.to_string(), "shop/20261121T021700Z-7f3a9c");
        for foreign in ["backups/daily/shop/latest/x", "backups/Daily/shop/20261121T021700Z-7f3a9c/x", "runs/x", "x"] {
            assert_eq!(BackupPath::parse(foreign), None);
        }
    }

    #[test]
    fn a_wraps_name_carries_its_keys_id() {
        let id: KeyId = "2026-11".parse().unwrap();
        assert_eq!(wrapped_under(&wrap(&id)), Some(id));
        for name in ["keys/.json", "keys/../x.json", "manifest.json", "keys/a", "keys/a/b.json"] {
            assert_eq!(wrapped_under(name), None, "{name}");
        }
    }

    #[test]
    fn runs_lie_by_month() {
        let run = "20261121T021700Z-7f3a9c".parse().unwrap();
        assert_eq!(run_start(&run), "runs/2026-11/20261121T021700Z-7f3a9c.start.json");
        let name = run_object(&run, "keys/2026-11.json");
        assert_eq!(parse_run_object(&name), Some((run.clone(), "keys/2026-11.json")));
        for foreign in [run_start(&run), name.replace("2026-11/", "2026-12/"), name.replace("runs", "x")] {
            assert_eq!(parse_run_object(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn drills_lie_by_database() {
        let (shop, drill) = ("shop".parse().unwrap(), "20261121T021700Z-7f3a9c".parse().unwrap());
        assert_eq!(drill_start(&shop, &drill), "drills/shop/20261121T021700Z-7f3a9c.start.json");
        let read = |name: &str| parse_drill(name).map(|(database, id, _)| (database, id));
        for name in [drill_start(&shop, &drill), drill_end(&shop, &drill), drill_object(&shop, &drill, "report.json")] {
            assert_eq!(read(&name), Some((shop.clone(), drill.clone())), "{name}");
        }
        let object = drill_object(&shop, &drill, "keys/a.json");
        assert_eq!(parse_drill(&object).unwrap().2, DrillName::Object("keys/a.json"));
        for foreign in
            ["drills/shop/x.end.json", "drills/Shop/20261121T021700Z-7f3a9c.end.json", "drills/x", "runs/a/b"]
        {
            assert_eq!(parse_drill(foreign), None, "{foreign}");
        }
    }
}
