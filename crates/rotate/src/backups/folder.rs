//! The folders that hold data keys: those of backups, and those of runs and drills that had to seal something.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::stream::{self, Stream, StreamExt as _};
use jiff::Timestamp;
use lifeboat_core::keys::KeyId;
use lifeboat_core::store::layout::{self, BACKUPS, BackupPath, DRILLS, DrillName, MANIFEST, RUNS};
use lifeboat_core::store::{Listed, Store};
use lifeboat_core::{DrillId, Job, Name, Result, RunId};

use super::IN_FLIGHT;

/// Whose data key it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A backup.
    Backup(BackupPath),
    /// A run.
    Run(RunId),
    /// A drill of a database.
    Drill(Name, DrillId),
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A backup that is encrypted, the sealed details of a run, or the sealed report of a drill.
    Sealed,
    /// A backup that is not.
    Unencrypted,
    /// What was begun and is not, or not yet, a backup.
    Unfinished,
}

/// One folder as it was listed.
#[derive(Clone)]
pub(super) struct Folder<'s> {
    pub(super) store: &'s Store,
    pub(super) owner: Owner,
    /// Names, relative to the folder, and lengths.
    pub(super) objects: BTreeMap<String, u64>,
}

impl Owner {
    /// Its id as text: what data keys, wraps and contexts are bound to.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Backup(path) => path.id.as_str(),
            Self::Run(run) => run.as_str(),
            Self::Drill(_, drill) => drill.as_str(),
        }
    }

    /// When what it is began, to the second.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        match self {
            Self::Backup(path) => path.id.start(),
            Self::Run(run) => run.start(),
            Self::Drill(_, drill) => drill.start(),
        }
    }

    /// The name in the store of an object in its folder.
    #[must_use]
    pub fn object(&self, name: &str) -> String {
        match self {
            Self::Backup(path) => path.object(name),
            Self::Run(run) => layout::run_object(run, name),
            Self::Drill(database, drill) => layout::drill_object(database, drill, name),
        }
    }

    /// The object whose first bytes prove the data key, where there is no manifest that does.
    pub(super) fn details(&self) -> Option<String> {
        match self {
            Self::Backup(_) => None,
            Self::Run(_) => Some(layout::sealed(layout::RUN_DETAILS)),
            Self::Drill(..) => Some(layout::sealed(layout::DRILL_REPORT)),
        }
    }

    fn parse(name: &str) -> Option<(Self, &str)> {
        let backup = BackupPath::parse(name).map(|(path, object)| (Self::Backup(path), object));
        let run = || layout::parse_run_object(name).map(|(run, object)| (Self::Run(run), object));
        backup.or_else(run).or_else(|| match layout::parse_drill(name)? {
            (database, drill, DrillName::Object(object)) => Some((Self::Drill(database, drill), object)),
            _ => None,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(path) => path.fmt(f),
            Self::Run(run) => write!(f, "the details of run {run}"),
            Self::Drill(database, drill) => write!(f, "the report of the drill {database}/{drill}"),
        }
    }
}

impl<'s> Folder<'s> {
    /// One folder as it is now.
    pub(super) async fn read(store: &'s Store, owner: Owner, job: &Job) -> Result<Self> {
        let within = owner.object("");
        let listed = store.list(job, &within).await?;
        let relative = |object: Listed| Some((object.name.strip_prefix(&within)?.to_owned(), object.length));
        Ok(Self { store, objects: listed.into_iter().filter_map(relative).collect(), owner })
    }

    pub(super) fn state(&self) -> State {
        let complete = self.objects.contains_key(self.owner.details().as_deref().unwrap_or(MANIFEST));
        let sealed =
            || self.objects.keys().any(|name| layout::is_sealed(name) || layout::wrapped_under(name).is_some());
        match complete {
            false => State::Unfinished,
            true if sealed() => State::Sealed,
            true => State::Unencrypted,
        }
    }

    /// A drill's report that is not sealed has no data key, and is no backup either.
    fn holds_a_key(&self) -> bool {
        !matches!(self.owner, Owner::Drill(..)) || self.objects.keys().any(|name| name != layout::DRILL_REPORT)
    }

    /// The keys that wrap its data key, by the names of the wraps.
    pub(super) fn wraps(&self) -> Vec<KeyId> {
        self.objects.keys().filter_map(|name| layout::wrapped_under(name)).collect()
    }

    pub(super) fn has_wrap(&self, id: &KeyId) -> bool {
        self.objects.contains_key(&layout::wrap(id))
    }

    /// Whether what is unfinished may still be at work.
    pub(super) fn is_young(&self, now: Timestamp) -> bool {
        now.duration_since(self.owner.start()) < IN_FLIGHT
    }
}

/// Every folder of a store, one held at a time. Names that are not ours are passed over.
pub(super) fn folders<'s>(store: &'s Store, job: &'s Job) -> impl Stream<Item = Result<Folder<'s>>> + Send + 's {
    let listed = store.list_each(job, BACKUPS).chain(store.list_each(job, RUNS)).chain(store.list_each(job, DRILLS));
    let objects = listed.filter_map(|listed| async move {
        match listed {
            Ok(Listed { name, length, .. }) => {
                let (owner, object) = Owner::parse(&name)?;
                Some(Ok((owner, object.to_owned(), length)))
            }
            Err(error) => Some(Err(error)),
        }
    });
    let grouping = Grouping { objects: objects.fuse().boxed(), open: None };
    let folders = stream::unfold(grouping, move |mut grouping| async move {
        let folder = grouping.next(store).await?;
        Some((folder, grouping))
    });
    folders.filter(|folder| std::future::ready(folder.as_ref().map_or(true, Folder::holds_a_key)))
}

/// Objects of one folder follow each other in every listing.
struct Grouping<'s> {
    objects: stream::BoxStream<'s, Result<(Owner, String, u64)>>,
    open: Option<Folder<'s>>,
}

impl<'s> Grouping<'s> {
    async fn next(&mut self, store: &'s Store) -> Option<Result<Folder<'s>>> {
        while let Some(object) = self.objects.next().await {
            let (owner, name, length) = match object {
                Ok(object) => object,
                Err(error) => return Some(Err(error)),
            };
            if let Some(open) = self.open.as_mut().filter(|open| open.owner == owner) {
                open.objects.insert(name, length);
                continue;
            }
            let whole = self.open.replace(Folder { store, owner, objects: BTreeMap::from([(name, length)]) });
            if let Some(whole) = whole {
                return Some(Ok(whole));
            }
        }
        self.open.take().map(Ok)
    }
}
