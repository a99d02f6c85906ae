//! Which backup an argument means: `--name`, or the only configured database, stands in for a missing database.

use lifeboat_backup::BackupRef;
use lifeboat_core::{Name, Result};

use crate::config::Config;

/// The backup that `text` names.
///
/// # Errors
/// [`Usage`](lifeboat_core::Kind::Usage) when it names none.
pub(super) fn reference(text: &str, name: Option<&str>, config: &Config) -> Result<BackupRef> {
    let mut reference: BackupRef = text.parse()?;
    if reference.database.is_none() {
        reference.database = database(name, config)?;
    }
    Ok(reference)
}

/// The database that is meant where none is named: `--name`, or the only configured one.
///
/// # Errors
/// [`Config`](lifeboat_core::Kind::Config) when `--name` is no name.
pub(super) fn database(name: Option<&str>, config: &Config) -> Result<Option<Name>> {
    match (name, config.databases.as_slice()) {
        (Some(name), _) => name.parse().map(Some),
        (None, [only]) => Ok(Some(only.name.value.clone())),
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::reference;
    use crate::config::{Config, Environment, Flags};

    #[test]
    fn a_missing_database_is_the_named_or_the_only_one() {
        let none = Config::load(None, Flags::default(), &Environment::default()).unwrap();
        assert_eq!(reference("latest", None, &none).unwrap().to_string(), "latest");
        assert_eq!(reference("latest", Some("shop"), &none).unwrap().to_string(), "shop/latest");
        assert_eq!(reference("crm/latest", Some("shop"), &none).unwrap().to_string(), "crm/latest");
        let one = Config::load(None, Flags::default(), &Environment::from([("LIFEBOAT_NAME", "shop")])).unwrap();
        assert_eq!(reference("2026", None, &one).unwrap().to_string(), "shop/2026");
    }
}
