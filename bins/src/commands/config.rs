//! `lifeboat config check` and `lifeboat config show`.

mod check;

use lifeboat_core::Result;
use serde_json::json;

use super::Context;
use crate::cli::ConfigCommand;
use crate::config::{Config, ConfigFile};
use crate::output::Outcome;

/// Checks or shows.
///
/// # Errors
/// [`Config`](lifeboat_core::Kind::Config), with everything that is wrong.
pub(super) async fn run(command: ConfigCommand, context: &Context) -> Result<Outcome> {
    match command {
        ConfigCommand::Show => {
            let config = context.config(context.global.flags())?;
            let passed_on = config.store.passed_on_unseen(&context.environment);
            let mut json = config.show_json();
            json["passed_on"] = json!(passed_on);
            Ok(Outcome::success(config.show() + &passed_on_text(&passed_on), json))
        }
        ConfigCommand::Check => check(context).await,
    }
}

async fn check(context: &Context) -> Result<Outcome> {
    let file = ConfigFile::find(context.global.config.as_deref(), &context.environment)?;
    let (config, problems) = Config::read(file, context.global.flags(), &context.environment);
    let check::Checked { problems, unchecked, absent, warning } =
        check::check(&config, problems, &context.environment).await;
    let warnings = config.store.overruled.iter().map(String::as_str).chain(warning);
    warnings.for_each(|text| context.job().warn(text));
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let databases: Vec<_> = config.databases.iter().map(|database| database.name.value.as_str()).collect();
    let path = config.path.as_deref().unwrap_or("flags and environment");
    let mut text = format!("{path}: no problems; databases: {}\n", databases.join(", "));
    let by_environment = config.store.by_environment(&context.environment);
    if !by_environment.is_empty() {
        text += &format!("of the store, the environment decides: {}\n", by_environment.join(", "));
    }
    if !unchecked.is_empty() {
        let names = unchecked.join(", ");
        text += &format!("not checked, as systemd gives them to the unit alone: {names}\n");
    }
    if !absent.is_empty() {
        let names = absent.join(", ");
        text += &format!("not here, and needed to rotate columns and to drill them: {names}\n");
    }
    let json = json!({
        "file": config.path,
        "databases": databases,
        "unchecked": unchecked,
        "absent_keys": absent,
        "by_environment": by_environment,
    });
    Ok(Outcome::success(text, json))
}

/// Names alone: a value may be a secret.
fn passed_on_text(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("\n# the store's client also goes by {}\n", names.join(", ")) }
}
