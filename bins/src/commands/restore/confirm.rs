//! Before a live database's name goes to another one: somebody says which.

use std::io::{self, IsTerminal as _};

use lifeboat_core::job::cancelled;
use lifeboat_core::{Error, Kind, Result, ResultExt as _};
use tokio::sync::oneshot;

use crate::cli::ReplaceArgs;
use crate::commands::Context;

/// Shows the plan, and asks for the database's name on a terminal; elsewhere `--yes` has said it.
///
/// # Errors
/// [`Kind::Policy`] when nobody confirms it.
pub(super) async fn confirm(plan: &str, database: &str, args: &ReplaceArgs, context: &Context) -> Result<()> {
    if !context.global.json && !context.global.quiet {
        context.console.line(plan.trim_end());
    }
    if args.yes {
        return Ok(());
    }
    let doing = format!("give the name {database} to another database: it was not confirmed; nothing was changed");
    let refused = Error::new(Kind::Policy, doing);
    if context.global.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refused.hint("read what --dry-run says, then give --yes"));
    }
    context.console.line("\nType the database's name to go on:");
    let gone = || cancelled().while_doing(format!("wait for the name {database}; nothing was changed"));
    let answer = context.cancel.run_until_cancelled(line()).await.ok_or_else(gone)??;
    if answer.trim_end_matches(['\r', '\n']) == database {
        return Ok(());
    }
    Err(refused.hint(format!("answer {database}, or give --yes")))
}

/// A line of standard input. The thread that waits for it is nobody's: a signal does not end its wait, and nothing waits for it.
async fn line() -> Result<String> {
    let (give, line) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = give.send(io::stdin().read_line(&mut line).map(|_| line));
    });
    let doing = || "read the answer".to_owned();
    line.await.kind_of(Kind::Failure, doing)?.kind_of(Kind::Failure, doing)
}
