//! Backs a database up and restores it from within a service: its own monitor, its own cancellation, no globals.
//! `cargo run --example embed -- file:///tmp/store postgresql:///shop postgresql:///shop_copy`
#![expect(clippy::print_stdout, reason = "an example shows what it hears")]
use std::{collections::BTreeMap, env, error::Error, sync::Arc};

use lifeboat_backup::core::{monitor, store};
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, Reach, RestoreOptions, Source, backup, restore};

struct Log;
impl monitor::Monitor for Log {
    fn event(&self, event: &monitor::Event<'_>) {
        println!("{event:?}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, from, into] = env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "STORE FROM INTO")?;
    let settings = |dsn: &str| ConnectionSettings::parse(dsn, &|name: &str| env::var(name).ok());
    let (store, cancel) = (store::create(&url.parse()?, &BTreeMap::new())?, tokio_util::sync::CancellationToken::new());
    let reach = Reach::Direct { settings: Box::new(settings(&from)?), tools_dir: None };
    let source = Source::new("shop".parse()?, reach);
    let options = BackupOptions { cancel: cancel.clone(), ..BackupOptions::new("/tmp/lifeboat-state") };
    let done = backup(&source, &store, &options, Arc::new(Log)).await?;
    let options = RestoreOptions { create: true, cancel, ..RestoreOptions::default() };
    restore(&store, &done.id.as_str().parse()?, &settings(&into)?, &options, Arc::new(Log)).await?;
    Ok(())
}
