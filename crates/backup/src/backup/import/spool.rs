//! A private folder in which a foreign file lies as a backup for as long as it is restored, sealed with a key that exists in
//! memory only.

use std::path::Path;
use std::sync::Arc;

use lifeboat_core::keys::{KeyWrap, OpenKeys, SealKeys, Secret, SymmetricKey};
use lifeboat_core::store::{self, Journal, Store, StoreUrl};
use lifeboat_core::{Error, Job, Kind, Name, Result, RunId};
use url::Url;

use super::{BackupOptions, ForeignFile, ImportOptions, Importing, Taken};
use crate::archive::{BackupRef, Which};
use crate::foreign::{ForeignOptions, Header};
use crate::private_folder::{PrivateFolder, Purpose};

/// A file that was read to its end and found whole. Its folder is removed with it.
pub(crate) struct Spooled {
    /// Where it lies.
    pub(crate) store: Store,
    /// What opens it.
    pub(crate) keys: OpenKeys,
    /// Which backup it is.
    pub(crate) reference: BackupRef,
    folder: PrivateFolder,
}

impl Spooled {
    /// Its folder, for other files that have to go with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Reads a file whole, into a folder of its own, unless `fits` refuses what its dump says of itself.
///
/// # Errors
/// Those of [`super::import()`]; [`Kind::Failure`] when the disk is full.
pub(crate) async fn spool(
    file: ForeignFile,
    foreign: &ForeignOptions,
    fits: &(dyn Fn(&Header) -> Result<()> + Sync),
    job: &Job,
) -> Result<Spooled> {
    let folder = PrivateFolder::make(&foreign.spool_dir, Purpose::Restore)?;
    let store = store_in(&folder)?;
    let key: Arc<dyn KeyWrap> = Arc::new(SymmetricKey::new("spool".parse()?, Secret::generate()?));
    let seal = Arc::new(SealKeys::new(vec![Arc::clone(&key)], None)?);
    let options = BackupOptions { seal: Some(seal), ..BackupOptions::new(folder.path().join("state")) };
    let now = options.clock.now();
    let import = ImportOptions { foreign: foreign.clone(), taken: Taken::At(now), ..ImportOptions::default() };
    let database: Name = "file".parse()?;
    let journal = Journal::open(&options.state_dir.join("uploads"))?;
    let run = RunId::generate(now)?;
    let importing = Importing {
        database: &database,
        run: &run,
        store: &store,
        journal: &journal,
        options: &options,
        import: &import,
        keep: foreign.trust,
        passing: true,
        fits,
        job,
    };
    Box::pin(importing.carry_out(file)).await.map_err(|error| without_room(error, foreign))?;
    let reference = BackupRef { database: Some(database), which: Which::Latest };
    let keys = OpenKeys { keys: vec![key], ..OpenKeys::default() };
    Ok(Spooled { store, keys, reference, folder })
}

/// What is kept takes about what gzip makes of the dump.
fn without_room(error: Error, foreign: &ForeignOptions) -> Error {
    if !error.chain().contains("No space left") {
        return error;
    }
    let doing = format!("keep what is read in {}: its disk is full", foreign.spool_dir.display());
    Error::new(Kind::Failure, doing).hint(
        "name a folder with more room by TMPDIR: a file takes about what gzip makes of its dump there, sealed, until it is restored",
    )
}

fn store_in(folder: &PrivateFolder) -> Result<Store> {
    let doing = || Error::new(Kind::Failure, format!("keep a file in {}", folder.path().display()));
    let url = Url::from_directory_path(folder.path().join("store")).map_err(|()| doing())?;
    let url: StoreUrl = url.as_str().parse()?;
    store::create(&url, &std::collections::BTreeMap::new())
}
