//! From references to keys.

use std::sync::Arc;

use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::columns::{AadTemplate, KeyFormat};
use lifeboat_rotate::sweep::{KeyPair, KeySource, Target};
use secrecy::SecretString;

use super::place::Needs;
use crate::config::{ColumnConfig, Environment, KeysConfig, SecretRef, Sourced};

/// A declared column with its keys.
///
/// # Errors
/// [`Kind::Config`] when a key is not named, is not there, or its format is not said and not plain to see.
pub(super) async fn target(
    column: &ColumnConfig,
    common: &KeysConfig,
    needs: Needs,
    environment: &Environment,
) -> Result<Target> {
    let keys = column.keys.or(common);
    let new = secret(keys.new.as_ref(), "new", environment).await?;
    let old = match (&keys.old, needs) {
        // The old key may be gone already: what is asked is what the new one opens alone.
        (_, Needs::NewKey) => new.clone(),
        (old, _) => secret(old.as_ref(), "old", environment).await?,
    };
    let format = format(&keys, &[&old, &new])?;
    let old_format = keys.old_key_format.as_ref().map_or_else(|| format.clone(), |format| format.value.clone());
    let old_format = if needs == Needs::NewKey { format.clone() } else { old_format };
    let id = |id: &Option<Sourced<String>>| id.as_ref().map(|id| id.value.clone());
    let target = Target {
        table: column.table.value.clone(),
        column: column.column.as_ref().map(|column| column.value.clone()),
        layout: column.layout.value.clone(),
        key_columns: column.key_columns.as_ref().map(|columns| columns.value.clone()),
        aad: column.aad.as_ref().map_or_else(AadTemplate::default, |aad| aad.value.clone()),
        keys: Arc::new(KeyPair {
            old: KeySource { secret: old, format: old_format, id: id(&keys.old_id) },
            new: KeySource { secret: new, format, id: id(&keys.new_id) },
        }),
    };
    match needs {
        Needs::NewKey => target.keyring_new().map(drop),
        _ => target.keyring().map(drop),
    }
    .map_err(|error| error.while_doing(format!("take the keys of {target}")))?;
    Ok(target)
}

/// How the keys are made: said, or plain to see.
pub(in crate::commands) fn format(keys: &KeysConfig, secrets: &[&SecretString]) -> Result<KeyFormat> {
    match &keys.key_format {
        Some(format) => Ok(format.value.clone()),
        None => KeyFormat::unnamed(secrets),
    }
}

/// The secret behind a reference.
pub(super) async fn secret(
    reference: Option<&Sourced<SecretRef>>,
    which: &str,
    environment: &Environment,
) -> Result<SecretString> {
    let reference = reference.ok_or_else(|| {
        Error::new(Kind::Config, format!("find the {which} key: nothing says where it is")).hint(format!(
            "give --{which} env:NAME, file:/path, credential:NAME or command:[…], or write {which} = \"env:NAME\" into [rotate]"
        ))
    })?;
    let secret = reference.value.resolve(environment).await;
    secret.map_err(|error| error.while_doing(format!("find the {which} key")))
}
