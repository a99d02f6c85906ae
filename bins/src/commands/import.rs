//! `lifeboat import`.

use std::sync::Arc;

use lifeboat_backup::backup::Taken;
use lifeboat_backup::{BackupOptions, ImportOptions, import};
use lifeboat_core::{Error, Kind, Result};
use serde_json::json;

use super::{Context, backup, file, reference};
use crate::cli::ImportArgs;
use crate::config::{Flags, SingleDatabase};
use crate::output::Outcome;

/// Brings a file into the store as a backup.
///
/// # Errors
/// [`Kind::Usage`] without a name, and for a time that is none; those of the library.
pub(super) async fn run(args: &ImportArgs, context: &Context) -> Result<Outcome> {
    // A file needs no address: its name in the store may be of a database that is gone, and is in no configuration.
    let flags = Flags { database: SingleDatabase::default(), ..args.flags(&context.global) };
    let config = context.config(flags)?;
    let name = reference::database(context.global.name.as_deref(), &config)?.ok_or_else(|| {
        Error::new(Kind::Usage, "import: nothing says of which database the file is")
            .hint("give --name, the database's name in the store")
    })?;
    let store = config.store.create(&context.environment).await?;
    let seal = config.encryption.seal_keys(&context.environment).await?.map(Arc::new);
    let options = BackupOptions { seal, ..backup::options(&config, &store, context) };
    let import_options = ImportOptions {
        foreign: file::options(&args.open, false, context).await?,
        taken: taken(args.taken_at.as_deref())?,
        time_zone: args.time_zone.clone(),
    };
    let given = file::file(&args.file, context).await?;
    let monitor = context.monitor.clone();
    let summary = Box::pin(import(given, &name, &store, &options, &import_options, monitor)).await?;
    let done = [summary];
    Ok(Outcome::success(backup::summary_text(&done), json!({"backups": done, "imported": done[0].manifest.imported})))
}

fn taken(text: Option<&str>) -> Result<Taken> {
    match text {
        None => Ok(Taken::AsItSays),
        Some("mtime") => Ok(Taken::Modified),
        Some(text) => text.parse().map(Taken::At).map_err(|_| {
            Error::new(Kind::Usage, format!("read --taken-at {text:?}")).hint("write 2025-11-21T02:17:00Z, or mtime")
        }),
    }
}
