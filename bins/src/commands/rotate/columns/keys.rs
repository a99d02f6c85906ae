//! From references to keys.

use std::sync::Arc;

use lifeboat_core::{Error, Kind, Result};
use lifeboat_drill::check::EncryptedColumn;
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{AadTemplate, ColumnKey, KeyFormat};
use lifeboat_rotate::sweep::{KeyPair, KeySource, Target};
use secrecy::SecretString;

use super::place::Needs;
use crate::config::{ColumnConfig, Environment, KeysConfig, SecretRef, Sourced};

/// A declared column with its keys, and whether its old one is among them. Where the new key is enough, the old one may be gone.
///
/// # Errors
/// [`Kind::Config`] when a key is not named, is not there, or its format is not said and not plain to see.
pub(super) async fn target(
    column: &ColumnConfig,
    common: &KeysConfig,
    needs: Needs,
    environment: &Environment,
) -> Result<(Target, bool)> {
    let keys = column.keys.or(common);
    let new = secret(keys.new.as_ref(), "new", environment).await?;
    let both = match secret(keys.old.as_ref(), "old", environment).await {
        Ok(old) => with_both_keys(column, &keys, old, &new),
        Err(error) => Err(error),
    };
    match both {
        Err(_) if needs == Needs::NewKey => Ok((with_the_new_key(column, &keys, new)?, false)),
        both => Ok((both?, true)),
    }
}

fn with_both_keys(column: &ColumnConfig, keys: &KeysConfig, old: SecretString, new: &SecretString) -> Result<Target> {
    let (format, old_format) = match &keys.old_key_format {
        Some(said) => {
            let format = format(keys, &[new]).map_err(|error| error.while_doing("read the new key"))?;
            (format, said.value.clone())
        }
        None => {
            let both = format(keys, &[&old, new]);
            let format = both.map_err(|error| error.while_doing(read_those_not_plain(&old, new)))?;
            (format.clone(), format)
        }
    };
    let old = KeySource { secret: old, format: old_format, id: id(keys.old_id.as_ref()) };
    opened_by(column, old, KeySource { secret: new.clone(), format, id: id(keys.new_id.as_ref()) })
}

/// Which of the two keys does not say by its looks how it is made.
fn read_those_not_plain(old: &SecretString, new: &SecretString) -> String {
    match [old, new].map(|secret| KeyFormat::unnamed(&[secret]).is_err()) {
        [true, false] => "read the old key".to_owned(),
        [false, true] => "read the new key".to_owned(),
        _ => "read the old and the new key".to_owned(),
    }
}

/// A key that nobody has, and no value names, stands in for the old one.
fn with_the_new_key(column: &ColumnConfig, keys: &KeysConfig, new: SecretString) -> Result<Target> {
    let nobodys = SecretString::from("0".repeat(64));
    let format = format(keys, &[&nobodys, &new])?;
    let old = KeySource { secret: nobodys, format: KeyFormat::Hex, id: Some(NOBODY.to_owned()) };
    opened_by(column, old, KeySource { secret: new, format, id: id(keys.new_id.as_ref()) })
}

fn opened_by(column: &ColumnConfig, old: KeySource, new: KeySource) -> Result<Target> {
    let target = Target {
        table: column.table.value.clone(),
        column: column.column.as_ref().map(|column| column.value.clone()),
        layout: column.layout.value.clone(),
        key_columns: column.key_columns.as_ref().map(|columns| columns.value.clone()),
        aad: column.aad.as_ref().map_or_else(AadTemplate::default, |aad| aad.value.clone()),
        keys: Arc::new(KeyPair { old, new }),
    };
    target.keyring().map(drop).map_err(|error| error.while_doing(format!("take the keys of {target}")))?;
    Ok(target)
}

fn id(id: Option<&Sourced<String>>) -> Option<String> {
    id.map(|id| id.value.clone())
}

const NOBODY: &str = "nobody";

/// A declared column as a drill opens it: by the new key, and by the old one as long as that is here. Keys that are not here keep
/// the drill from finding out.
pub(in crate::commands) async fn encrypted_column(
    column: &ColumnConfig,
    common: &KeysConfig,
    environment: &Environment,
) -> EncryptedColumn {
    let named = column.layout.value.columns().filter_map(|(name, _)| name.map(str::to_owned));
    EncryptedColumn {
        table: column.table.value.clone(),
        columns: column.column.iter().map(|column| column.value.clone()).chain(named).collect(),
        key_columns: column.key_columns.as_ref().map(|columns| columns.value.clone()),
        aad: column.aad.as_ref().map_or_else(AadTemplate::default, |aad| aad.value.clone()),
        keyring: keyring(column, common, environment).await.map(Arc::new).map_err(|error| error.chain()),
    }
}

async fn keyring(column: &ColumnConfig, common: &KeysConfig, environment: &Environment) -> Result<Keyring> {
    let keys = column.keys.or(common);
    let new = secret(keys.new.as_ref(), "new", environment).await?;
    let format = format(&keys, &[&new])?;
    let old_format = keys.old_key_format.as_ref().map_or_else(|| format.clone(), |format| format.value.clone());
    let new = KeySource { secret: new, format, id: id(keys.new_id.as_ref()) };
    let keyring = Keyring::new(column.layout.value.clone(), new.derive()?)?;
    // An old key that has gone: backups from before need it, and the check says so of each value.
    let Ok(old) = secret(keys.old.as_ref(), "old", environment).await else { return Ok(keyring) };
    let old = KeySource { secret: old, format: old_format, id: id(keys.old_id.as_ref()) }.derive()?;
    let is_same = old.fingerprint() == keyring.primary().fingerprint();
    if is_same { Ok(keyring) } else { keyring.enable(old) }
}

/// The key that a declared column comes from.
pub(super) async fn old_key(keys: &KeysConfig, environment: &Environment) -> Result<ColumnKey> {
    let old = secret(keys.old.as_ref(), "old", environment).await?;
    let format =
        keys.old_key_format.as_ref().map_or_else(|| format(keys, &[&old]), |format| Ok(format.value.clone()))?;
    ColumnKey::derive(&old, &format)
}

/// The key that a declared column goes to.
pub(super) async fn new_key(keys: &KeysConfig, environment: &Environment) -> Result<ColumnKey> {
    let new = secret(keys.new.as_ref(), "new", environment).await?;
    ColumnKey::derive(&new, &format(keys, &[&new])?)
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
