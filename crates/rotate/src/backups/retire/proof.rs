//! Whether a backup opens without the wrap that would be deleted.

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::keys::{DataKey, KeyId, KeyWrap, OpenKeys};
use lifeboat_core::{Error, Job, Kind, Result};

use super::super::folder::{Folder, State};
use super::super::opening::opens_to;
use super::super::{IN_FLIGHT, ends_all};
use super::RetireOptions;

/// What retiring means for one folder.
pub(super) enum Judged {
    Delete {
        kept: KeyId,
        proven: bool,
    },
    NotUnderKey,
    Unencrypted,
    /// Given up before it became a backup.
    Orphan,
}

/// Judges folders.
pub(super) struct Judge<'a> {
    /// Our keys whose wraps may stay, those that seal new backups first.
    pub(super) others: OpenKeys,
    /// The key that goes, where it is at hand.
    pub(super) going: Option<Arc<dyn KeyWrap>>,
    pub(super) options: &'a RetireOptions,
    pub(super) now: Timestamp,
    pub(super) job: &'a Job,
}

impl Judge<'_> {
    /// An error is what stands against deleting the wrap.
    pub(super) async fn folder(&self, folder: &Folder<'_>) -> Result<Judged> {
        match folder.state() {
            State::Unencrypted => Ok(Judged::Unencrypted),
            _ if !folder.has_wrap(&self.options.key) => Ok(Judged::NotUnderKey),
            State::Unfinished if folder.is_young(self.now) => Err(in_flight(folder, self.options)),
            State::Unfinished => Ok(Judged::Orphan),
            State::Sealed => self.sealed(folder).await,
        }
    }

    async fn sealed(&self, folder: &Folder<'_>) -> Result<Judged> {
        let mut remaining = folder.wraps();
        remaining.retain(|id| self.options.may_stay(id));
        remaining.sort_by_key(|id| !self.options.sealing.contains(id));
        let ours = |key: &Arc<dyn KeyWrap>| remaining.contains(key.id());
        let opener = self.others.keys.iter().find(|key| ours(key)).map(|key| key.id());
        match (opener, remaining.first()) {
            (_, None) => Err(only_wrap(folder, self.options)),
            (Some(opener), _) if self.options.force || self.options.sealing.contains(opener) => {
                self.proven(folder).await
            }
            (Some(opener), _) => Err(may_go_too(folder, opener)),
            (None, Some(kept)) if self.options.force => self.unseen(folder, kept).await,
            (None, Some(_)) => Err(unproven(folder, &remaining)),
        }
    }

    /// One of the other wraps must open to what the MAC proves, and the author be one who is trusted.
    async fn proven(&self, folder: &Folder<'_>) -> Result<Judged> {
        let proof = folder.proof(self.job).await?;
        let mut failure = None;
        let stays = |id: &KeyId| self.options.force || self.options.sealing.contains(id);
        for key in self.others.keys.iter().filter(|key| folder.has_wrap(key.id()) && stays(key.id())) {
            let opened = async {
                let data_key = key.unwrap(&folder.wrap(self.job, key.id()).await?).await?;
                proof.check(&folder.owner, &data_key)?;
                Ok::<_, Error>(data_key)
            };
            match opened.await {
                Ok(data_key) => {
                    proof.judge(&folder.owner, &self.others)?;
                    self.compare(folder, key.id(), &data_key).await?;
                    return Ok(Judged::Delete { kept: key.id().clone(), proven: true });
                }
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        let why = failure.unwrap_or_else(|| Error::new(Kind::WrongKey, "open another wrap"));
        Err(why.while_doing(format!("prove that {} opens without the wrap under {}", folder.owner, self.options.key)))
    }

    /// Of a wrap that nobody here opens it is the manifest that can be judged: it must be of the data key in the wrap that
    /// goes, where that key is at hand.
    async fn unseen(&self, folder: &Folder<'_>, kept: &KeyId) -> Result<Judged> {
        let proof = folder.proof(self.job).await?;
        proof.judge(&folder.owner, &self.others)?;
        if let Some(going) = &self.going {
            let data_key = going.unwrap(&folder.wrap(self.job, going.id()).await?).await?;
            proof.check(&folder.owner, &data_key)?;
        }
        Ok(Judged::Delete { kept: kept.clone(), proven: false })
    }

    /// Whoever may write to the store can put a manifest and a wrap of his own beside the wrap of the true data key. Where
    /// the key that goes is at hand, its wrap must hold what the one that stays does.
    async fn compare(&self, folder: &Folder<'_>, kept: &KeyId, data_key: &DataKey) -> Result<()> {
        let Some(going) = &self.going else { return Ok(()) };
        let same = async { opens_to(going.as_ref(), &folder.wrap(self.job, going.id()).await?, data_key).await };
        match same.await {
            Err(error) if !ends_all(&error) && error.kind() != Kind::NotFound => {
                let (owner, going) = (&folder.owner, going.id());
                let doing =
                    format!("delete the wrap of {owner}: {going} does not open to the data key that {kept} does");
                Err(Error::new(Kind::Integrity, doing).caused_by(error).hint(
                    "somebody else may have written the manifest and the wrap that would stay: compare with an older \
                     copy of the store before any wrap goes",
                ))
            }
            Err(error) if error.kind() != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn only_wrap(folder: &Folder<'_>, options: &RetireOptions) -> Error {
    let (under, to) = match &options.to {
        Some(to) => (format!(" under {to}"), format!(" --to {to}")),
        None => (String::new(), String::new()),
    };
    Error::new(Kind::Policy, format!("delete the wrap of {}: it has no other{under}", folder.owner))
        .hint(format!("first give it one: `lifeboat rotate backups rewrap --from {}{to}`", options.key))
}

/// Two who retire each the key that the other leaves would together delete every wrap.
fn may_go_too(folder: &Folder<'_>, opener: &KeyId) -> Error {
    let doing = format!(
        "delete the wrap of {}: it would be left to {opener}, and new backups are not sealed with that",
        folder.owner
    );
    Error::new(Kind::Policy, doing).hint(
        "first `lifeboat rotate backups rewrap` to the primary key; --force leaves it to that key, and then nobody may \
         retire that one at the same time",
    )
}

fn unproven(folder: &Folder<'_>, remaining: &[KeyId]) -> Error {
    let ids: Vec<_> = remaining.iter().map(KeyId::as_str).collect();
    let doing = format!("prove that {} opens without it: no key of ours opens {}", folder.owner, ids.join(", "));
    Error::new(Kind::Policy, doing).hint(
        "give a keyring that holds one of these keys (--allow-retired counts retired ones); --force trusts wraps unseen",
    )
}

fn in_flight(folder: &Folder<'_>, options: &RetireOptions) -> Error {
    let doing = format!("delete the wrap of {}: it may still be under way, sealed under {}", folder.owner, options.key);
    Error::new(Kind::Policy, doing).hint(format!(
        "wait for that run to end, at the latest until {}, then rewrap and retire; --force leaves this one alone and \
             retires the rest",
        folder.owner.start() + IN_FLIGHT
    ))
}
