//! From configured databases to what the library reaches them by: references are resolved here, as late as possible.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{Reach, Source};
use lifeboat_core::{Error, Kind, Result};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Config, Database, Environment, env_vars};

/// The databases that the arguments select, or all of them.
///
/// # Errors
/// [`Kind::Config`] when none is configured, [`Kind::Usage`] for a name that is not.
pub(super) fn selected<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Database>> {
    if config.databases.is_empty() {
        return Err(Error::new(Kind::Config, "find out what to back up: no database is configured").hint(
            "give --name and --database-url, set LIFEBOAT_NAME and LIFEBOAT_DATABASE_URL, or write a [[database]]",
        ));
    }
    if names.is_empty() {
        return Ok(config.databases.iter().collect());
    }
    names.iter().map(|name| named(config, name)).collect()
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a Database> {
    config.databases.iter().find(|database| database.name.value.as_str() == name).ok_or_else(|| {
        let known: Vec<_> = config.databases.iter().map(|database| database.name.value.as_str()).collect();
        Error::new(Kind::Usage, format!("back up {name:?}: no database of that name is configured"))
            .hint(format!("configured are {}", known.join(", ")))
    })
}

/// How a configured database is reached.
///
/// # Errors
/// [`Kind::Config`] when nothing says where it is, or a secret is not there.
pub(super) async fn reach(database: &Database, environment: &Environment) -> Result<Reach> {
    match &database.tools_prefix {
        Some(prefix) => Ok(prefixed(database, prefix.value.clone(), environment)),
        None => direct(database, environment).await,
    }
}

/// The source that a configured database is.
///
/// # Errors
/// Those of [`reach`].
pub(super) async fn source(database: &Database, environment: &Environment) -> Result<Source> {
    let method = database.method.as_ref().map(|method| method.value);
    Ok(Source { method, ..Source::new(database.name.value.clone(), reach(database, environment).await?) })
}

fn prefixed(database: &Database, prefix: Vec<String>, environment: &Environment) -> Reach {
    let dbname =
        database.dbname.as_ref().map_or_else(|| database.name.value.to_string(), |dbname| dbname.value.clone());
    let user = database.user.as_ref().map(|user| user.value.clone());
    Reach::Prefixed { prefix, dbname, user, environment: environment.for_tools_prefix() }
}

async fn direct(database: &Database, environment: &Environment) -> Result<Reach> {
    let text = match &database.url {
        Some(url) => url.value.resolve(environment).await?,
        None => from_variables(database, environment)?,
    };
    let mut settings = settings(&text, environment).map_err(|error| error.while_doing("read its connection string"))?;
    if let Some(user) = &database.user {
        settings.user.clone_from(&user.value);
    }
    if let Some(dbname) = &database.dbname {
        settings.dbname.clone_from(&dbname.value);
    }
    let tools_dir = database.tools_dir.as_ref().map(|folder| folder.value.clone());
    Ok(Reach::Direct { settings: Box::new(settings), tools_dir })
}

/// An empty connection string leaves everything to libpq's own variables.
fn from_variables(database: &Database, environment: &Environment) -> Result<SecretString> {
    if database.dbname.is_some() || env_vars::POSTGRES.iter().any(|name| environment.var(name).is_some()) {
        return Ok(SecretString::from(""));
    }
    Err(Error::new(Kind::Config, "find out where it is: nothing says so")
        .hint("give --database-url env:NAME, set LIFEBOAT_DATABASE_URL or PGDATABASE, or write its url into the configuration"))
}

/// Connection settings from their text, with libpq's variables beneath.
///
/// # Errors
/// [`Kind::Config`], without the text.
pub(super) fn settings(text: &SecretString, environment: &Environment) -> Result<ConnectionSettings> {
    ConnectionSettings::parse(text.expose_secret(), &|name| environment.for_libpq(name))
}

#[cfg(test)]
mod tests {
    use lifeboat_backup::Reach;
    use lifeboat_core::Kind;

    use super::{reach, selected};
    use crate::config::{Config, ConfigFile, Environment, Flags};

    fn config(text: &str) -> Config {
        let file = ConfigFile { path: "lifeboat.toml".to_owned(), text: text.to_owned() };
        Config::load(Some(file), Flags::default(), &Environment::default()).unwrap()
    }

    #[test]
    fn databases_are_selected_by_name() {
        let two = config("[[database]]\nname = \"a\"\n[[database]]\nname = \"b\"\n");
        assert_eq!(selected(&two, &[]).unwrap().len(), 2);
        assert_eq!(selected(&two, &["b".to_owned()]).unwrap()[0].name.value.as_str(), "b");
        assert_eq!(selected(&two, &["c".to_owned()]).unwrap_err().kind(), Kind::Usage);
        assert_eq!(selected(&config(""), &[]).unwrap_err().kind(), Kind::Config);
    }

    #[tokio::test]
    async fn a_reference_is_resolved_into_settings() {
        let config = config("[[database]]\nname = \"shop\"\nurl = \"env:URL\"\n");
        let environment = Environment::from([("URL", "postgres://app:hunter2@db/shop")]);
        let reach = reach(&config.databases[0], &environment).await.unwrap();
        assert!(!format!("{reach:?}").contains("hunter2"));
        let Reach::Direct { settings, .. } = reach else { panic!("not direct") };
        assert_eq!(settings.display(), "app@db:5432/shop");
    }

    #[tokio::test]
    async fn a_database_without_an_address_needs_libpqs_variables() {
        let config = config("[[database]]\nname = \"shop\"\n");
        assert_eq!(reach(&config.databases[0], &Environment::default()).await.unwrap_err().kind(), Kind::Config);
        let environment = Environment::from([("PGHOST", "db"), ("PGDATABASE", "x"), ("PGUSER", "u")]);
        assert!(reach(&config.databases[0], &environment).await.is_ok());
        let host_alone = Environment::from([("PGHOST", "db"), ("PGUSER", "postgres")]);
        assert_eq!(reach(&config.databases[0], &host_alone).await.unwrap_err().kind(), Kind::Config);
    }

    #[tokio::test]
    async fn a_prefix_needs_no_address() {
        let config = config(
            "[[database]]\nname = \"shop\"\ntools_prefix = [\"docker\", \"exec\", \"-i\", \"db\"]\nuser = \"app\"\n",
        );
        let reach = reach(&config.databases[0], &Environment::default()).await.unwrap();
        assert_eq!(reach.display(), "shop through docker");
    }
}
