//! Which keys a rotation is about.

use std::sync::Arc;

use lifeboat_core::keys::{KeyEntry, KeyId, KeyKind, KeyState, KeyWrap, Keyring, OpenKeys, Recipient, SealKeys};
use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::backups::status;

use super::Scene;
use crate::config::Allowed;

/// The keyring, and what of it is used.
pub(super) struct Keys {
    pub(super) keyring: Keyring,
    /// What new backups are sealed with, where the configuration says it.
    pub(super) seal: Option<SealKeys>,
    pub(super) open: OpenKeys,
    /// `--from`: the id that its wraps bear.
    pub(super) from: Option<KeyId>,
}

impl Keys {
    /// Reads the keyring. A retired key is used when `from` names it.
    pub(super) async fn load(scene: &Scene<'_>, allowed: Allowed, from: Option<&str>) -> Result<Self> {
        let (encryption, environment) = (&scene.config.encryption, &scene.context.environment);
        let keyring = encryption.keyring(environment).await?.ok_or_else(crate::commands::key::no_keyring)?;
        // A keyring that cannot seal may still rotate, to a key that --to names.
        let seal = encryption.seal_keys(environment).await.ok().flatten();
        let mut open = encryption.open_keys(allowed, environment).await?;
        let from = from.map(|id| public_id(&keyring, id)).transpose()?;
        if let Some(from) = &from {
            refuse_unknown(scene, &keyring, from).await?;
        }
        let named = from
            .as_ref()
            .and_then(|from| keyring.key(from.as_str()).ok())
            .filter(|key| key.state() == KeyState::Retired);
        if let Some(key) = named.and_then(|key| key.as_wrap()).filter(|_| !allowed.retired) {
            open.retired.retain(|id| id != key.id());
            open.keys.push(key);
        }
        Ok(Self { keyring, seal, open, from })
    }

    /// The key that new wraps are under.
    pub(super) fn to(&self, id: Option<&str>) -> Result<Arc<dyn KeyWrap>> {
        let Some(id) = id else {
            let primary = self.keyring.primary(KeyKind::Aes256).and_then(|key| key.as_wrap());
            return primary.ok_or_else(|| {
                Error::new(Kind::Config, "find the key to wrap under: the keyring has no primary aes256 key")
                    .hint("give --to, or make one with `lifeboat key generate --primary`")
            });
        };
        if id.starts_with(PUBLIC) {
            let recipient = id.parse::<Recipient>()?;
            let private = self.keyring.key(recipient.id().as_str()).ok().and_then(|key| key.as_wrap());
            return Ok(private.unwrap_or_else(|| Arc::new(recipient)));
        }
        let known = match self.keyring.key(id) {
            Ok(key) => key.as_wrap(),
            // The configured recipients are among what new backups are sealed with.
            Err(error) => {
                let sealing = self.seal.iter().flat_map(|seal| &seal.wraps);
                let found = sealing.clone().find(|key| key.id().as_str() == id).cloned();
                let recipients = sealing.map(|key| key.id()).filter(|id| id.is_of_public_key());
                Some(found.ok_or_else(|| {
                    error.hint(format!(
                        "name a key of the keyring, a recipient as it is written in `recipients` (x25519:…), or its id; \
                         configured recipients: {}",
                        listed(recipients)
                    ))
                })?)
            }
        };
        known.ok_or_else(|| Error::new(Kind::Usage, format!("wrap under {id}: it is a key to sign with")))
    }

    /// The keys that new backups are sealed with.
    pub(super) fn sealing(&self) -> Vec<KeyId> {
        self.seal.iter().flat_map(|seal| &seal.wraps).map(|key| key.id().clone()).collect()
    }
}

/// Refuses an id that neither a key nor a wrap bears: nothing would be found under it, and that would look like success.
async fn refuse_unknown(scene: &Scene<'_>, keyring: &Keyring, id: &KeyId) -> Result<()> {
    if keyring.key(id.as_str()).is_ok() {
        return Ok(());
    }
    let wraps = ids_of_wraps(scene).await?;
    if wraps.contains(id) {
        return Ok(());
    }
    let keys = keyring.keys().iter().filter(|key| key.kind() != KeyKind::Ed25519).map(KeyEntry::id);
    Err(Error::new(Kind::NotFound, format!("find what is under {id}: no key and no wrap is called {id}"))
        .hint(format!("keys: {}; wraps: {}", listed(keys), listed(&wraps))))
}

/// Says that no wrap is under a key, and under which ones there are some.
pub(super) async fn nothing_under(scene: &Scene<'_>, id: &KeyId) -> Result<Error> {
    let wraps = ids_of_wraps(scene).await?;
    let doing = format!("find what is under {id}: no wrap is, in {}", scene.addresses().join(", "));
    Ok(Error::new(Kind::NotFound, doing).hint(format!("there are wraps under: {}", listed(&wraps))))
}

async fn ids_of_wraps(scene: &Scene<'_>) -> Result<Vec<KeyId>> {
    let report = status(&scene.stores, &scene.options(), scene.context.monitor.clone()).await?;
    Ok(report.keys.into_keys().collect())
}

fn listed<'k>(ids: impl IntoIterator<Item = &'k KeyId>) -> String {
    let ids: Vec<_> = ids.into_iter().map(KeyId::as_str).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// The id that a key's wraps bear; one that the keyring does not hold is taken as it is.
fn public_id(keyring: &Keyring, id: &str) -> Result<KeyId> {
    if id.starts_with(PUBLIC) {
        return Ok(id.parse::<Recipient>()?.id().clone());
    }
    match keyring.key(id) {
        Ok(key) if key.kind() == KeyKind::Ed25519 => {
            Err(Error::new(Kind::Usage, format!("rotate away from {id}: it is a key to sign with")))
        }
        Ok(key) => Ok(key.public_id().clone()),
        Err(_) => id.parse(),
    }
}

/// How a recipient is written.
const PUBLIC: &str = "x25519:";
