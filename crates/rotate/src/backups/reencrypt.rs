//! Seals backups anew, under new data keys: the remedy for a key that leaked. It also seals those that are not encrypted.
//!
//! Each step leaves backups that open. The new backup exists when its manifest does, after everything else was read back;
//! it names the old one in `reencrypted_from`, by which a later run knows what is left to do. The old one ceases to exist
//! with its manifest, the first thing that is removed of it.

mod contents;
mod refusal;
mod removal;
mod rewriting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::keys::{KeyId, OpenKeys, SealKeys, Signer, SignerKey};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Store, UploadOptions};
use lifeboat_core::{BackupId, Error, Job, Kind, Result, TOOL};
use serde::Serialize;

pub use removal::{RemovalSummary, remove_replaced};
pub use rewriting::{ReencryptSummary, Replacement, apply_reencrypt};

use super::RotateOptions;
use super::each::{each, ready};
use super::failures::{Failed, Failures};
use super::folder::{Folder, Owner, State};

/// What old backups are opened and judged with, and new ones sealed and signed.
#[derive(Clone, Debug)]
pub struct ReencryptKeys {
    /// Opens the old ones. Backups that are not encrypted are sealed only when these allow reading them.
    pub open: OpenKeys,
    /// Seals the new ones.
    pub seal: SealKeys,
    /// Signers of ours whose backups may be signed anew where nobody is named as trusted; never one whose key leaked.
    pub own_signers: Vec<SignerKey>,
}

/// Which backups are sealed anew.
#[derive(Clone)]
pub struct ReencryptOptions {
    /// Those with a wrap under this key.
    pub from: Option<KeyId>,
    /// Those that were finished before this time: when a key leaked whose wraps are deleted already.
    pub before: Option<Timestamp>,
    /// Where open uploads are written down.
    pub state_dir: PathBuf,
    /// How objects are uploaded.
    pub upload: UploadOptions,
    /// Seal anew also backups that recipients open who would not open the new ones.
    pub force: bool,
    /// What every operation is given.
    pub rotate: RotateOptions,
}

/// What would be sealed anew, and what would be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReencryptPlan {
    /// Backups of which another would be written.
    pub rewrite: Vec<Rewrite>,
    /// Backups of which another was written.
    pub remove: Vec<Removal>,
    /// Keys that would not open the new backups although they open old ones, each with the number of those. The key that is
    /// rotated away from is not among them.
    pub lost_wraps: BTreeMap<KeyId, u64>,
    /// New backups of one old one: all but one of them can be deleted.
    pub duplicates: Vec<Duplicate>,
    /// Backups that are not encrypted, and stay so: reading them is not allowed.
    pub unencrypted: u64,
    /// Backups that would be sealed anew, were they not refused: an author who is not trusted,
    /// or for whom nobody signs; a manifest that says what this release does not know.
    pub refused: Failures,
    /// Those whose manifest cannot be read.
    pub failed: Failures,
}

/// A backup that would be sealed anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rewrite {
    /// The store's position in the list that was given.
    #[serde(skip)]
    pub store: usize,
    /// Where it lies.
    #[serde(serialize_with = "shown")]
    pub backup: BackupPath,
    /// Bytes to read, and to write.
    pub stored_bytes: u64,
}

/// Backups that each say to be another one sealed anew: two runs at once leave such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The store's position in the list that was given.
    #[serde(skip)]
    pub store: usize,
    /// One of them.
    #[serde(serialize_with = "shown")]
    pub backup: BackupPath,
    /// Another.
    #[serde(serialize_with = "shown")]
    pub other: BackupPath,
}

/// A backup that was sealed anew and would be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// The store's position in the list that was given.
    #[serde(skip)]
    pub store: usize,
    /// Where it lies, or what is left of it.
    #[serde(serialize_with = "shown")]
    pub backup: BackupPath,
    /// The one that holds its data.
    #[serde(serialize_with = "shown")]
    pub replaced_by: BackupPath,
    /// Bytes that are freed.
    pub stored_bytes: u64,
}

fn shown<S: serde::Serializer>(path: &BackupPath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

impl ReencryptKeys {
    /// Refuses a manifest of which the new one would not say everything; gives who signs the new one, as
    /// [`signer_for`](Self::signer_for) does.
    fn judge(&self, stored: &StoredManifest, name: &str) -> Result<Option<&Signer>> {
        let unknown = stored.unknown_fields();
        if unknown.is_empty() {
            return self.signer_for(stored, name);
        }
        let doing =
            format!("seal {name} anew: {TOOL} does not know all that its manifest says in {}", unknown.join(", "));
        Err(Error::new(Kind::Config, doing).hint("use the release of lifeboat that wrote the backup, or a later one"))
    }

    /// Who signs the new backup of `stored`, which must be of an author who is trusted; nobody, when nobody signed it.
    fn signer_for(&self, stored: &StoredManifest, name: &str) -> Result<Option<&Signer>> {
        if stored.signature().is_none() {
            stored.judge(&self.open, name)?;
            return Ok(None);
        }
        let refuse = |why: &str| Error::new(Kind::Policy, format!("seal {name} anew: it is signed, and {why}"));
        let signer = self.seal.signer.as_deref();
        let signer = signer.ok_or_else(|| {
            refuse("there is no key to sign the new one with").hint("give a keyring with a primary ed25519 key")
        })?;
        let trusted = &self.open.trusted_signers;
        if !trusted.is_empty() && !trusted.contains(signer.public()) {
            return Err(refuse("our own signer is not a trusted one").hint("add it to trusted_signers in [encryption]"));
        }
        let mut judges = self.open.clone();
        if judges.trusted_signers.is_empty() {
            judges.trusted_signers.clone_from(&self.own_signers);
            judges.trusted_signers.push(signer.public().clone());
        }
        stored.judge(&judges, name)?;
        Ok(Some(signer))
    }
}

impl ReencryptOptions {
    fn judge(&self, keys: &ReencryptKeys) -> Result<()> {
        let now = self.rotate.clock.now();
        if let Some(before) = self.before.filter(|before| *before > now) {
            return Err(Error::new(
                Kind::Usage,
                format!("seal anew what was finished before {before}: that is to come"),
            ));
        }
        match &self.from {
            None if self.before.is_none() && !keys.open.allow_unencrypted => {
                Err(Error::new(Kind::Usage, "tell which backups to seal anew").hint(
                    "--from ID takes those with a wrap under that key, --before TIME older ones, --allow-unencrypted \
                     those that are not encrypted",
                ))
            }
            Some(from) if keys.seal.wraps.iter().any(|key| key.id() == from) => {
                let doing = format!("seal anew what is under {from}: the new backups would be under {from} again");
                let first = if from.is_of_public_key() {
                    "take it out of `recipients` in [encryption] first, or put another one in its place"
                } else {
                    "make another key primary first: `lifeboat key generate --primary`"
                };
                Err(Error::new(Kind::Policy, doing).hint(first))
            }
            _ => Ok(()),
        }
    }
}

/// Looks for backups to seal anew, and for those that were.
///
/// # Errors
/// [`Kind::Usage`] when nothing says which backups; [`Kind::Policy`] when the new ones would be under the same key again; those
/// of the stores.
pub async fn plan_reencrypt(
    stores: &[Store],
    keys: &ReencryptKeys,
    options: &ReencryptOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<ReencryptPlan> {
    options.judge(keys)?;
    let job = options.rotate.job(monitor);
    let mut plan = ReencryptPlan::default();
    for (position, store) in stores.iter().enumerate() {
        let mut found = look_through(store, keys, options.from.as_ref(), &job).await?;
        if let Some(before) = options.before {
            add_older(store, &mut found, before, &mut plan.failed, &job).await?;
        }
        let (replaced, twice) = replaced(store, &found, &mut plan.failed, &job).await?;
        let duplicate = |(backup, other)| Duplicate { store: position, backup, other };
        plan.duplicates.extend(twice.into_iter().map(duplicate));
        plan.add(position, &found, &replaced, keys.open.allow_unencrypted);
        plan.refuse(position, store, keys, &found, &job).await?;
    }
    Ok(plan)
}

/// What is kept of a listing: enough to choose by.
struct Seen {
    state: State,
    /// Whether it is sealed anew, if it is sealed at all.
    meant: bool,
    stored_bytes: u64,
    /// Its wraps that a new one would not have.
    lost: Vec<KeyId>,
}

type Found = BTreeMap<BackupPath, Seen>;

async fn look_through(store: &Store, keys: &ReencryptKeys, from: Option<&KeyId>, job: &Job) -> Result<Found> {
    let mut found = Found::new();
    let stays = |id: &KeyId| from == Some(id) || keys.seal.wraps.iter().any(|key| key.id() == id);
    let seen = |folder: &Folder<'_>| {
        let meant = from.is_some_and(|from| folder.has_wrap(from));
        let stored_bytes = folder.objects.values().sum();
        let lost = folder.wraps().into_iter().filter(|id| !stays(id)).collect();
        (folder.owner.clone(), Seen { state: folder.state(), meant, stored_bytes, lost })
    };
    let keep = |(owner, seen)| {
        if let Owner::Backup(path) = owner {
            found.insert(path, seen);
        }
    };
    let stores = std::slice::from_ref(store);
    each(stores, job, 1, &mut Failures::default(), |folder| ready(Ok(seen(&folder)), folder), keep).await?;
    Ok(found)
}

/// Means those too that were finished before that time, which only their manifests tell: a new one has the old one's id.
async fn add_older(
    store: &Store,
    found: &mut Found,
    before: Timestamp,
    failed: &mut Failures,
    job: &Job,
) -> Result<()> {
    for (path, seen) in found.iter_mut().filter(|(_, seen)| seen.state == State::Sealed && !seen.meant) {
        let folder = Folder { store, owner: Owner::Backup(path.clone()), objects: BTreeMap::new() };
        match Box::pin(folder.manifest(job)).await {
            Ok(stored) => seen.meant = stored.manifest.finished < before,
            Err(error) if super::ends_all(&error) => return Err(error),
            Err(error) => failed.add(Failed::of(&folder, &error)),
        }
    }
    Ok(())
}

/// Which backups were sealed anew, by what the new ones say, and pairs that say it of the same one. Those have the same time,
/// so that only few are read.
async fn replaced(
    store: &Store,
    found: &Found,
    failed: &mut Failures,
    job: &Job,
) -> Result<(BTreeMap<BackupPath, BackupPath>, Vec<(BackupPath, BackupPath)>)> {
    let (mut replaced, mut twice) = (BTreeMap::new(), Vec::new());
    for path in found.iter().filter(|(_, seen)| seen.state != State::Unfinished).map(|(path, _)| path) {
        if siblings(found, path).nth(1).is_none() {
            continue;
        }
        let folder = Folder { store, owner: Owner::Backup(path.clone()), objects: BTreeMap::new() };
        match Box::pin(folder.manifest(job)).await {
            Ok(stored) => {
                let old = stored.manifest.reencrypted_from.map(|id| BackupPath { id, ..path.clone() });
                let Some(old) = old.filter(|old| old != path) else { continue };
                twice.extend(replaced.insert(old, path.clone()).map(|other| (other, path.clone())));
            }
            Err(error) if super::ends_all(&error) => return Err(error),
            Err(error) => failed.add(Failed::of(&folder, &error)),
        }
    }
    Ok((replaced, twice))
}

/// The backups of the same database, class and time, itself among them.
fn siblings<'f>(found: &'f Found, path: &BackupPath) -> impl Iterator<Item = &'f BackupPath> {
    let bound = |suffix| BackupPath { id: BackupId::new(path.id.start(), suffix), ..path.clone() };
    found.range(bound([0; 3])..=bound([0xff; 3])).map(|(path, _)| path)
}

impl ReencryptPlan {
    /// Refuses a plan whose new backups some recipient of old ones would not open: often the recovery key, whose loss
    /// nobody notices before it is needed.
    ///
    /// # Errors
    /// [`Kind::Policy`]; none with `force`.
    pub fn check(&self, options: &ReencryptOptions) -> Result<()> {
        let lost: Vec<_> = self.lost_wraps.iter().filter(|(id, _)| id.is_of_public_key()).collect();
        if options.force || lost.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = lost.iter().map(|(id, count)| format!("{id} ({count})")).collect();
        let doing = format!("seal backups anew: recipients who open old ones would not open them: {}", ids.join(", "));
        Err(Error::new(Kind::Policy, doing)
            .hint("add them to recipients in [encryption], or give --force if they are to open nothing any more"))
    }

    fn add(
        &mut self,
        store: usize,
        found: &Found,
        replaced: &BTreeMap<BackupPath, BackupPath>,
        allow_unencrypted: bool,
    ) {
        for (path, seen) in found {
            let (backup, stored_bytes) = (path.clone(), seen.stored_bytes);
            match replaced.get(path) {
                Some(by) => self.remove.push(Removal { store, backup, replaced_by: by.clone(), stored_bytes }),
                None if seen.state == State::Sealed && seen.meant => {
                    self.rewrite.push(Rewrite { store, backup, stored_bytes });
                    seen.lost.iter().for_each(|id| *self.lost_wraps.entry(id.clone()).or_default() += 1);
                }
                None if seen.state == State::Unencrypted && allow_unencrypted => {
                    self.rewrite.push(Rewrite { store, backup, stored_bytes });
                }
                None if seen.state == State::Unencrypted => self.unencrypted += 1,
                None => {}
            }
        }
    }
}
