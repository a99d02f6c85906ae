//! A module per command: each resolves what it needs, calls one library function, and renders what comes back.

mod backup;
mod cat;
mod config;
mod demo;
mod download;
mod drill;
mod file;
mod import;
mod key;
mod list;
mod reference;
mod restore;
mod rotate;
mod runs;
mod show;
mod source;
mod store;
mod unknown;
mod unwritten;
mod verify;

use std::sync::Arc;

use lifeboat_backup::BackupRef;
use lifeboat_core::job::Job;
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Kind, Result};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::{Command, GlobalArgs, OpenArgs};
use crate::config::{Config, ConfigFile, Environment, Flags};
use crate::exit;
use crate::output::{Console, Outcome, Style};

/// What every command is given.
pub(crate) struct Context {
    /// Options of every command.
    pub(crate) global: GlobalArgs,
    /// How this run speaks.
    pub(crate) style: Style,
    /// stderr.
    pub(crate) console: Console,
    /// The environment.
    pub(crate) environment: Environment,
    /// Who listens to progress.
    pub(crate) monitor: Arc<dyn Monitor>,
    /// What ends the run early.
    pub(crate) cancel: CancellationToken,
}

impl Context {
    /// Monitor and cancellation for a library call.
    pub(crate) fn job(&self) -> Job {
        Job::new(Arc::clone(&self.monitor), self.cancel.clone())
    }

    /// The effective configuration under these flags.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config), with everything that is wrong.
    pub(crate) fn config(&self, flags: Flags<'_>) -> Result<Config> {
        let file = ConfigFile::find(self.global.config.as_deref(), &self.environment)?;
        let config = Config::load(file, flags, &self.environment)?;
        config.store.overruled.iter().for_each(|text| self.job().warn(text));
        Ok(config)
    }

    /// The configuration of a command that only reads the store, and the store.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config).
    pub(crate) async fn reading(&self) -> Result<(Config, Store)> {
        let config = self.config(self.global.reading())?;
        let store = config.store.open(&self.environment).await?;
        Ok((config, store))
    }

    /// The backup that an argument names, the store it is in, and what opens it.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config); [`Usage`](lifeboat_core::Kind::Usage) when it names none.
    pub(crate) async fn backup(&self, text: &str, open: OpenArgs) -> Result<Named> {
        let (config, store) = self.reading().await?;
        let reference = reference::reference(text, self.global.name.as_deref(), &config)?;
        let keys = config.encryption.open_keys(open.allowed(), &self.environment).await?;
        Ok(Named { reference, store, keys })
    }
}

/// A backup that the operator named.
pub(crate) struct Named {
    /// Its name.
    pub(crate) reference: BackupRef,
    /// Where it is.
    pub(crate) store: Store,
    /// What opens it.
    pub(crate) keys: OpenKeys,
}

/// Carries a command out.
///
/// # Errors
/// What the command's library function returns.
pub(crate) async fn dispatch(command: Command, context: &Context) -> Result<Outcome> {
    refuse_stores(&command, &context.global.store)?;
    match command {
        Command::Backup(args) => backup::run(&args, context).await,
        Command::List(args) => list::run(&args, context).await,
        Command::Runs(args) => runs::run(&args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::Verify(args) => verify::run(&args, context).await,
        Command::Restore(args) => restore::run(&args, context).await,
        Command::Import(args) => import::run(&args, context).await,
        Command::Cat(args) => cat::run(&args, context).await,
        Command::Download(args) => download::run(&args, context).await,
        Command::Drill(command) => drill::run(&command, context).await,
        Command::Key(command) => key::run(&command, context).await,
        Command::Rotate(command) => rotate::run(&command, context).await,
        Command::Store(command) => store::run(command, context).await,
        Command::Config(command) => config::run(command, context).await,
        Command::Demo => demo::run(context).await,
        Command::ExitCodes => Ok(Outcome::success(exit::table(), json!({"table": exit::table()}))),
    }
}

/// Only rotation goes through several stores at once.
fn refuse_stores(command: &Command, stores: &[String]) -> Result<()> {
    if stores.len() < 2 || matches!(command, Command::Rotate(_)) {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, format!("use {} stores: this command works on one", stores.len()))
        .hint("give --store once"))
}
