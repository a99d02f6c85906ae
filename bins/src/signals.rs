//! Signals become cancellation: the first asks the operation to clean up and end, the second ends the process.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use lifeboat_core::{Kind, Result, ResultExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::output::Console;

/// Tells which signal arrived, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received(Arc<AtomicU8>);

impl Received {
    /// How the process should end because of a signal, when one arrived.
    pub(crate) fn exit(&self) -> Option<Exit> {
        [Exit::Interrupted, Exit::TERMINATED].into_iter().find(|exit| exit.code() == self.0.load(Ordering::Relaxed))
    }

    fn note(&self, exit: Exit) -> bool {
        self.0.swap(exit.code(), Ordering::Relaxed) == 0
    }
}

/// Cancels `token` at the first SIGINT, SIGTERM or SIGHUP and ends the process at the second. Needs a runtime.
///
/// # Errors
/// [`Kind::Failure`] when the handlers cannot be installed.
pub(crate) fn watch(token: CancellationToken, console: Console) -> Result<Received> {
    let listen = |kind| signal(kind).kind_of(Kind::Failure, || "install a signal handler".to_owned());
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let received = Received::default();
    let noted = received.clone();
    tokio::spawn(async move {
        loop {
            let exit = next(&mut interrupt, &mut terminate, &mut hangup).await;
            if !noted.note(exit) {
                console.line(UNCLEAN);
                process::exit(i32::from(exit.code()));
            }
            console.line("cancelled: cleaning up; a second signal ends at once");
            token.cancel();
        }
    });
    Ok(received)
}

/// What the second signal may leave; the next run of the same kind removes most of it.
const UNCLEAN: &str = "ended without cleaning up. What a backup, restore or drill may have left: files with passwords in the temporary folder, \
                       until the next one removes them; unfinished uploads; a database ..._restoring_... or ..._replacing_...";

async fn next(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) -> Exit {
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::TERMINATED,
        _ = hangup.recv() => Exit::TERMINATED,
    }
}

#[cfg(test)]
mod tests {
    use super::Received;
    use crate::exit::Exit;

    #[test]
    fn the_first_signal_is_told_from_the_second() {
        let received = Received::default();
        assert_eq!(received.exit(), None);
        assert!(received.note(Exit::Interrupted));
        assert_eq!(received.exit(), Some(Exit::Interrupted));
        assert!(!received.note(Exit::TERMINATED));
    }
}
