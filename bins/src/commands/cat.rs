//! `lifeboat cat`.

use std::io::{self, ErrorKind, Stdout, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_backup::archive::cat;
use lifeboat_core::{Error, Kind, Result};
use serde_json::json;

use super::{Context, Named};
use crate::cli::CatArgs;
use crate::exit::Exit;
use crate::output::Outcome;

/// Writes a backup's script to stdout, each range only once it is proven. A reader that leaves, such as `head`, ends it
/// without a word, as it ends other programs.
///
/// # Errors
/// [`Usage`](lifeboat_core::Kind::Usage) with `--json`, whose records would stand among the script;
/// [`Integrity`](lifeboat_core::Kind::Integrity) at the first bytes that are not what was stored.
pub(super) async fn run(args: &CatArgs, context: &Context) -> Result<Outcome> {
    if context.style.json {
        return Err(Error::new(Kind::Usage, "write script and records to the same stdout").hint("leave --json out"));
    }
    let Named { reference, store, keys } = context.backup(&args.backup, args.open).await?;
    let out = Script::default();
    let left = Arc::clone(&out.left);
    match cat(&store, &keys, &reference, out, context.cancel.clone(), context.monitor.clone()).await {
        Ok(bytes) => Ok(Outcome::success("", json!({"sql_bytes": bytes}))),
        Err(error) if error.kind() == Kind::Failure && left.load(Ordering::Relaxed) => {
            Ok(Outcome { exit: Exit::Unread, ..Outcome::success("", json!(null)) })
        }
        Err(error) => Err(error),
    }
}

/// stdout, and whether its reader has left.
struct Script {
    out: Stdout,
    left: Arc<AtomicBool>,
}

impl Default for Script {
    fn default() -> Self {
        Self { out: stdout(), left: Arc::default() }
    }
}

impl Script {
    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        let left = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        done.inspect_err(|error| self.left.store(left(error), Ordering::Relaxed))
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.out.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.out.flush();
        self.note(done)
    }
}
