//! `lifeboat drill`.

mod evidence;
mod gc;
mod list;
mod run;
mod scratch;
mod show;

use lifeboat_core::store::Store;
use lifeboat_core::{DrillId, Name, Result};
use lifeboat_drill::history::{self, DrillRef};

use super::Context;
use crate::cli::DrillCommand;
use crate::config::Config;
use crate::output::Outcome;

/// Reads what drills found out.
///
/// # Errors
/// Those of configuration and store, and of the library's function.
pub(super) async fn run(command: &DrillCommand, context: &Context) -> Result<Outcome> {
    match command {
        DrillCommand::Run(args) => Box::pin(run::run(args, context)).await,
        DrillCommand::Gc(args) => gc::run(args, context).await,
        DrillCommand::List(args) => list::run(args, context).await,
        DrillCommand::Show(args) => Box::pin(show::run(args, context)).await,
        DrillCommand::VerifyEvidence(args) => Box::pin(evidence::run(args, context)).await,
    }
}

/// The machine's name, as people know it.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// The drill that an argument names; `--name`, or the only configured database, stands in for a missing database.
async fn find(text: &str, config: &Config, store: &Store, context: &Context) -> Result<(Name, DrillId)> {
    let mut reference: DrillRef = text.parse()?;
    if reference.database.is_none() {
        reference.database = super::reference::database(context.global.name.as_deref(), config)?;
    }
    history::find(&reference, &store.clone().at_first_contact(), &context.job()).await
}
