//! `lifeboat config check` and `lifeboat config show`.

use lifeboat_core::Result;
use serde_json::json;

use super::Context;
use crate::cli::ConfigCommand;
use crate::config::{Config, Misfit, Place, Problems, env_vars};
use crate::output::Outcome;

/// Checks or shows.
///
/// # Errors
/// [`Config`](lifeboat_core::Kind::Config), with everything that is wrong.
pub(super) async fn run(command: ConfigCommand, context: &Context) -> Result<Outcome> {
    let config = context.config(context.global.flags())?;
    match command {
        ConfigCommand::Show => Ok(Outcome::success(config.show(), config.show_json())),
        ConfigCommand::Check => check(&config, context).await,
    }
}

async fn check(config: &Config, context: &Context) -> Result<Outcome> {
    let mut missing = missing(config, context);
    if let Some(misfit) = unusable_keys(config, context).await {
        missing.add(Place::Nowhere, misfit);
    }
    if !missing.is_empty() {
        return Err(missing.into());
    }
    let databases: Vec<_> = config.databases.iter().map(|database| database.name.value.as_str()).collect();
    let path = config.path.as_deref().unwrap_or("flags and environment");
    let text = format!("{path}: no problems; databases: {}\n", databases.join(", "));
    Ok(Outcome::success(text, json!({"file": config.path, "databases": databases})))
}

/// Keys in a file can be tried; those that systemd or a command gives are not at hand here.
async fn unusable_keys(config: &Config, context: &Context) -> Option<Misfit> {
    config.encryption.keyring.as_ref()?.value.path()?;
    let error = config.encryption.seal_keys(&context.environment).await.err()?;
    Some(Misfit { help: error.help().map(str::to_owned), ..Misfit::new(error.chain()) })
}

/// A configuration may be well-formed and still not enough for a backup.
fn missing(config: &Config, context: &Context) -> Problems {
    let mut problems = Problems::default();
    if config.store.url.is_none() {
        problems
            .add(Place::Nowhere, Misfit::new("no store is configured").help("write store = \"s3://bucket/prefix\""));
    }
    if config.databases.is_empty() {
        problems.add(
            Place::Nowhere,
            Misfit::new("no database is configured").help("write a [[database]] with its name and url"),
        );
    }
    let postgres = env_vars::POSTGRES.iter().any(|name| context.environment.var(name).is_some());
    for database in config.databases.iter().filter(|_| !postgres) {
        if database.url.is_none() && database.tools_prefix.is_none() {
            let misfit = Misfit::new(format!("nothing says where the database {:?} is", database.name.value.as_str()));
            problems.add(Place::Nowhere, misfit.help("write url = \"env:DATABASE_URL\" into its [[database]]"));
        }
    }
    problems
}
