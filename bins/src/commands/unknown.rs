//! A name that neither the configuration nor the store knows. Whoever asks for what there is of it has more likely mistyped it.

use std::collections::BTreeSet;

use lifeboat_backup::archive::databases;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Name, Result};

use crate::config::Config;

/// Refuses such a name. Without databases in the configuration's file nobody can tell, and every name is a good one.
///
/// # Errors
/// [`Kind::Usage`], with the names that there are.
pub(super) fn refuse(wanted: Option<&Name>, config: &Config, stored: &BTreeSet<Name>) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| !config.names.is_empty() && !stored.contains(*wanted)) else {
        return Ok(());
    };
    // One that flags and variables describe is not in the file.
    let described = config.databases.iter().map(|database| &database.name.value);
    let known: BTreeSet<&Name> = config.names.iter().chain(described).collect();
    if known.contains(wanted) {
        return Ok(());
    }
    let doing = format!("look for {:?}: no database of that name is configured, nor backed up here", wanted.as_str());
    let known: Vec<_> = known.into_iter().map(Name::as_str).collect();
    let mut hint = format!("configured are {}", known.join(", "));
    if !stored.is_empty() {
        let stored: Vec<_> = stored.iter().map(Name::as_str).collect();
        hint += &format!("; the store has backups of {}", stored.join(", "));
    }
    Err(Error::new(Kind::Usage, doing).hint(hint))
}

/// The same, when it is not known yet what the store has.
///
/// # Errors
/// Those of [`refuse`], and of the store.
pub(super) async fn refuse_here(wanted: Option<&Name>, config: &Config, store: &Store, job: &Job) -> Result<()> {
    if wanted.is_none() {
        return Ok(());
    }
    match databases(store, job).await {
        Ok(stored) => refuse(wanted, config, &stored),
        // A key that may list a part of it does not know.
        Err(error) if error.kind() == Kind::Config => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lifeboat_core::{Kind, Name};

    use super::refuse;
    use crate::config::{Config, ConfigFile, Environment, Flags};

    fn config(text: &str, environment: &Environment) -> Config {
        let file = ConfigFile { path: "lifeboat.toml".to_owned(), text: text.to_owned() };
        Config::load(Some(file), Flags::default(), environment).unwrap()
    }

    #[test]
    fn a_name_that_nobody_knows_is_refused_with_those_that_are_known() {
        let two = "[[database]]\nname = \"shop\"\n[[database]]\nname = \"crm\"\n";
        let narrowed = Environment::from([("LIFEBOAT_NAME", "crm")]);
        let stored = BTreeSet::from(["gone".parse().unwrap(), "crm".parse().unwrap()]);
        let refused = |name: &str, config: &Config| refuse(Some(&name.parse::<Name>().unwrap()), config, &stored);
        for config in [config(two, &Environment::default()), config(two, &narrowed)] {
            for known in ["shop", "crm", "gone"] {
                refused(known, &config).unwrap();
            }
            let error = refused("shpo", &config).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert_eq!(error.help(), Some("configured are crm, shop; the store has backups of crm, gone"));
            refuse(None, &config, &stored).unwrap();
        }
        refused("shpo", &config("", &Environment::default())).unwrap();
    }
}
