//! Files that Lifeboat did not write: where they are, and what opens them.

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_backup::{ForeignFile, ForeignOptions};
use lifeboat_core::{Error, Kind, Result};

use super::Context;
use crate::cli::FileArgs;
use crate::config::{Misfit, SecretRef, Setting as _, env_vars};

/// The file that an argument means.
///
/// # Errors
/// Those of opening the store, for one that lies in it.
pub(super) async fn file(text: &str, context: &Context) -> Result<ForeignFile> {
    match (text, text.strip_prefix("store:")) {
        ("-", _) => Ok(ForeignFile::Reader(Box::new(std::io::stdin()))),
        (_, Some(key)) => {
            let (_, store) = context.reading().await?;
            Ok(ForeignFile::Stored(store, key.trim_matches('/').to_owned()))
        }
        (path, None) => Ok(ForeignFile::Path(PathBuf::from(path))),
    }
}

/// What opens it.
///
/// # Errors
/// [`Kind::Usage`] for a passphrase that stands in the argument itself; those of fetching it.
pub(super) async fn options(args: &FileArgs, trust: bool, context: &Context) -> Result<ForeignOptions> {
    let environment = &context.environment;
    let passphrase = match &args.passphrase {
        Some(text) => {
            let reference = SecretRef::from_text(text).map_err(refused)?;
            Some(Arc::new(reference.resolve(environment).await?))
        }
        None => None,
    };
    let default = ForeignOptions::default();
    let gpg = ["HOME", "GNUPGHOME", "XDG_RUNTIME_DIR"];
    let gpg = gpg.iter().filter_map(|name| Some(((*name).into(), environment.var(name)?.into())));
    Ok(ForeignOptions {
        passphrase,
        iterations: args.openssl_iterations.unwrap_or(default.iterations),
        gpg_environment: gpg.collect(),
        tools_dir: environment.var(env_vars::TOOLS_DIR).map(PathBuf::from),
        trust,
        ..default
    })
}

fn refused(misfit: Misfit) -> Error {
    let error = Error::new(Kind::Usage, format!("read --passphrase: {}", misfit.message));
    match misfit.help {
        Some(help) => error.hint(help),
        None => error,
    }
}
