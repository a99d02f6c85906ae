//! The keys that columns go from and to.

use lifeboat_rotate::columns::KeyFormat;

use super::{NONE, RotateFlags};
use crate::config::layers::Layers;
use crate::config::origin::Sourced;
use crate::config::problems::Problems;
use crate::config::secret_ref::SecretRef;
use crate::config::section::Section;

/// Two keys, and how they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeysConfig {
    /// What values are under before.
    pub(crate) old: Option<Sourced<SecretRef>>,
    /// What they are under afterwards.
    pub(crate) new: Option<Sourced<SecretRef>>,
    /// How the application makes its key of the secret.
    pub(crate) key_format: Option<Sourced<KeyFormat>>,
    /// The same for the old key, where it differs.
    pub(crate) old_key_format: Option<Sourced<KeyFormat>>,
    /// The id by which values name the old key.
    pub(crate) old_id: Option<Sourced<String>>,
    /// The id by which they name the new one.
    pub(crate) new_id: Option<Sourced<String>>,
}

impl KeysConfig {
    pub(super) fn read(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        Self {
            old: section.read("old", problems),
            new: section.read("new", problems),
            key_format: section.read("key_format", problems),
            old_key_format: section.read("old_key_format", problems),
            old_id: section.read("old_id", problems),
            new_id: section.read("new_id", problems),
        }
    }

    pub(super) fn layered(self, flags: RotateFlags<'_>, layers: &mut Layers<'_>) -> Self {
        Self {
            old: layers.pick(("--old", flags.old), NONE, self.old),
            new: layers.pick(("--new", flags.new), NONE, self.new),
            key_format: layers.pick(("--key-format", flags.key_format), NONE, self.key_format),
            old_key_format: layers.pick(("--old-key-format", flags.old_key_format), NONE, self.old_key_format),
            old_id: layers.pick(("--old-id", flags.old_id), NONE, self.old_id),
            new_id: layers.pick(("--new-id", flags.new_id), NONE, self.new_id),
        }
    }

    /// These, and what they leave out of others.
    pub(crate) fn or(&self, others: &Self) -> Self {
        Self {
            old: self.old.clone().or_else(|| others.old.clone()),
            new: self.new.clone().or_else(|| others.new.clone()),
            key_format: self.key_format.clone().or_else(|| others.key_format.clone()),
            old_key_format: self.old_key_format.clone().or_else(|| others.old_key_format.clone()),
            old_id: self.old_id.clone().or_else(|| others.old_id.clone()),
            new_id: self.new_id.clone().or_else(|| others.new_id.clone()),
        }
    }
}
