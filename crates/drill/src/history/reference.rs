//! How an operator names a drill.

use std::str::FromStr;

use lifeboat_backup::BackupRef;
use lifeboat_backup::archive::{Which, choose};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{DrillId, Error, Job, Kind, Name, Result};

use super::{Place, ends, names};

/// How an operator names a drill: `[DATABASE/]ID`, a unique beginning of an id, or `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillRef {
    /// The database, where it is named.
    pub database: Option<Name>,
    which: Which,
}

impl FromStr for DrillRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = text.parse::<BackupRef>().map_err(|_| {
            Error::new(Kind::Usage, format!("read {text:?} as the name of a drill"))
                .hint("name it by shop/latest, shop/20261201T040000Z-7f3a9c, or the beginning of its id")
        })?;
        Ok(Self { database: named.database, which: named.which })
    }
}

impl std::fmt::Display for DrillRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        BackupRef { database: self.database.clone(), which: self.which.clone() }.fmt(f)
    }
}

/// The drill that `reference` names.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Usage`] when it may be several.
pub async fn find(reference: &DrillRef, store: &Store, job: &Job) -> Result<Place> {
    let found = names(reference.database.as_ref(), store, job).await?;
    let fits = |drill: &DrillId| match &reference.which {
        Which::Latest => true,
        Which::Prefix(prefix) => drill.as_str().starts_with(prefix),
    };
    let mut fitting: Vec<Place> = found.into_keys().filter(|(_, drill)| fits(drill)).collect();
    fitting.sort_by(|a, b| b.1.cmp(&a.1));
    let several_databases = fitting.iter().any(|place| place.0 != fitting[0].0);
    match fitting.as_slice() {
        [] => Err(not_found(reference, store, job).await),
        [newest, rest @ ..] if rest.is_empty() || (reference.which == Which::Latest && !several_databases) => {
            Ok(newest.clone())
        }
        several => {
            let names: Vec<_> =
                several.iter().take(NAMES_SHOWN).map(|(database, drill)| format!("{database}/{drill}")).collect();
            let more = if several.len() > names.len() { ", …" } else { "" };
            let doing = format!("choose a drill: {reference} may be {}{more}", names.join(", "));
            Err(Error::new(Kind::Usage, doing).hint("name the database and more of the id"))
        }
    }
}

/// Backups and drills have ids that look alike: who gives a backup's is told its drills.
async fn not_found(reference: &DrillRef, store: &Store, job: &Job) -> Error {
    let doing = format!("find the drill {reference} in {}", store.address());
    let Ok(Some((backup, drills))) = drills_of_backup(reference, store, job).await else {
        return Error::new(Kind::NotFound, doing).hint("see `lifeboat drill list`");
    };
    let (database, id) = (&backup.database, &backup.id);
    let error = Error::new(Kind::NotFound, format!("{doing}: that is a backup's id"));
    if drills.is_empty() {
        return error.hint(format!("no drill of it is on record: `lifeboat drill run {database}/{id}` drills it"));
    }
    let names: Vec<_> = drills.iter().take(NAMES_SHOWN).map(|drill| format!("{database}/{drill}")).collect();
    let more = if drills.len() > NAMES_SHOWN { ", …" } else { "" };
    error.hint(format!("its drills are: {}{more}", names.join(", ")))
}

/// The backup that a name means which is no drill's, and the drills that found it, newest first.
async fn drills_of_backup(
    reference: &DrillRef,
    store: &Store,
    job: &Job,
) -> Result<Option<(BackupPath, Vec<DrillId>)>> {
    if reference.which == Which::Latest {
        return Ok(None);
    }
    let named = BackupRef { database: reference.database.clone(), which: reference.which.clone() };
    let backup = choose(store, job, &named).await?.path;
    let found = names(Some(&backup.database), store, job).await?;
    let ended = found.into_iter().filter_map(|(place, ended)| ended.then_some(place));
    let ends = ends(ended, store, job).await?.into_iter().filter(|end| end.backup.as_ref() == Some(&backup.id));
    let mut drills: Vec<_> = ends.map(|end| end.start.drill).collect();
    drills.sort_by(|a, b| b.cmp(a));
    Ok(Some((backup, drills)))
}

const NAMES_SHOWN: usize = 5;
