//! From settings to a session: hosts in their order, another try where the failure may pass.

use std::future::Future;
use std::time::Duration;

use lifeboat_core::job::cancelled;
use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_core::{Error, Kind, Result};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::failure::{Cause, Failure};
use super::open::open;
use super::pooler::refuse_transaction_pooler;
use super::session::{DirectSession, settle};
use super::settings::{ConnectionSettings, Host, TargetSession};
use super::tls;

/// How [`connect`] goes about it.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// When to try again.
    pub retry: Retry,
    /// Ends the attempt and the waits.
    pub cancel: CancellationToken,
}

/// When a failed connection is tried again: so often, after so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The wait before each further try.
    pub waits: Vec<Duration>,
}

impl Default for Retry {
    /// Three more tries, after 5, 10 and 20 seconds.
    fn default() -> Self {
        Self { waits: [5, 10, 20].map(Duration::from_secs).to_vec() }
    }
}

impl Retry {
    /// One try only.
    #[must_use]
    pub fn never() -> Self {
        Self { waits: Vec::new() }
    }
}

/// Opens a session named `lifeboat/<purpose>`, ready to work: see [`Session`](super::Session).
///
/// Tried again as [`Retry`] says, told to `monitor`: a server that refuses, does not answer, is starting or is full.
/// Never tried again: a password, database, certificate or pooler that will be just as wrong in a minute.
///
/// # Errors
/// [`Kind::Database`], with what failed told apart in text and hint; [`Kind::Config`] for certificate files;
/// [`Kind::Cancelled`].
pub async fn connect(
    settings: &ConnectionSettings,
    purpose: &str,
    options: &ConnectOptions,
    monitor: &dyn Monitor,
) -> Result<DirectSession> {
    let doing = format!("connect to {}", settings.display());
    let tls = tls::connector(&settings.ssl)?;
    with_retries(&doing, options, monitor, || Box::pin(first_session(settings, &tls, purpose))).await
}

/// Repeats an attempt while its failure may pass and there is another wait.
pub(super) async fn with_retries<T, F: Future<Output = Result<T, Failure>>>(
    doing: &str,
    options: &ConnectOptions,
    monitor: &dyn Monitor,
    mut attempt: impl FnMut() -> F,
) -> Result<T> {
    let mut waits = options.retry.waits.iter();
    for number in 1.. {
        let failure = match or_cancelled(&options.cancel, doing, attempt()).await? {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        let Some(wait) = waits.next().filter(|_| failure.cause.may_pass()) else {
            return Err(failure.error.while_doing(doing));
        };
        monitor.event(&Event::Retry { doing, attempt: number, error: &failure.error.chain() });
        or_cancelled(&options.cancel, doing, tokio::time::sleep(*wait)).await?;
    }
    unreachable!("the waits end before the numbers do")
}

async fn or_cancelled<T>(cancel: &CancellationToken, doing: &str, work: impl Future<Output = T>) -> Result<T> {
    cancel.run_until_cancelled(work).await.ok_or_else(|| cancelled().while_doing(doing))
}

/// The pooler is looked for before the session is set up: settings would stay behind in its server sessions.
async fn first_session(
    settings: &ConnectionSettings,
    tls: &MakeRustlsConnect,
    purpose: &str,
) -> Result<DirectSession, Failure> {
    let mut session = try_hosts(settings, tls).await?;
    refuse_transaction_pooler(&mut session).await.map_err(Failure::after_login)?;
    settle(&mut session, purpose).await.map_err(Failure::after_login)?;
    Ok(session)
}

/// Tries each host once. When all fail, a failure that may pass wins over one that will not: one of the hosts may
/// come back.
async fn try_hosts(settings: &ConnectionSettings, tls: &MakeRustlsConnect) -> Result<DirectSession, Failure> {
    let rounds: &[TargetSession] = match settings.target {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        ref other => std::slice::from_ref(other),
    };
    let mut failed: Option<Failure> = None;
    for target in rounds {
        for host in &settings.hosts {
            match try_host(settings, host, tls, *target).await {
                Ok(session) => return Ok(session),
                Err(failure) if failed.as_ref().is_some_and(|f| f.cause.may_pass() && !failure.cause.may_pass()) => {}
                Err(failure) => failed = Some(failure),
            }
        }
    }
    Err(failed.unwrap_or_else(|| Failure::after_login(Error::new(Kind::Config, "find a host to connect to"))))
}

async fn try_host(
    settings: &ConnectionSettings,
    host: &Host,
    tls: &MakeRustlsConnect,
    target: TargetSession,
) -> Result<DirectSession, Failure> {
    let session = open(settings, host, tls).await?;
    let state = session.server();
    if !target.accepts(state.in_recovery, state.read_only) {
        let why = format!("target_session_attrs={} asks for another state", target.as_str());
        return Err(Failure::new(Cause::WrongState, host, why));
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use lifeboat_core::Kind;
    use lifeboat_core::monitor::{Event, Monitor, Silent};
    use tokio_util::sync::CancellationToken;

    use super::{ConnectOptions, Retry, connect};
    use crate::postgres::ConnectionSettings;

    #[derive(Default)]
    struct Retries(Mutex<Vec<u32>>);

    impl Monitor for Retries {
        fn event(&self, event: &Event<'_>) {
            if let Event::Retry { attempt, .. } = event {
                self.0.lock().unwrap().push(*attempt);
            }
        }
    }

    fn refusing() -> ConnectionSettings {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        ConnectionSettings::parse(&format!("host=127.0.0.1 port={port} user=u dbname=d"), &|_| None).unwrap()
    }

    #[tokio::test]
    async fn a_refused_connection_is_tried_again_and_told() {
        let retries = Retries::default();
        let options = ConnectOptions { retry: Retry { waits: vec![Duration::ZERO; 2] }, ..Default::default() };
        let error = connect(&refusing(), "test", &options, &retries).await.err().unwrap();
        assert_eq!(*retries.0.lock().unwrap(), [1, 2]);
        assert_eq!(error.kind(), Kind::Database);
        assert!(error.chain().contains("refuses connections"), "{error:?}");
    }

    #[tokio::test]
    async fn an_unknown_host_is_not_tried_again_unless_the_resolver_is_down() {
        let settings = ConnectionSettings::parse("host=no.such.host.invalid user=u", &|_| None).unwrap();
        let options = ConnectOptions { retry: Retry::never(), ..Default::default() };
        let error = connect(&settings, "test", &options, &Silent).await.err().unwrap();
        assert!(error.chain().contains("find the address of the host no.such.host.invalid"), "{error:?}");
    }

    #[tokio::test]
    async fn cancelling_ends_the_wait_and_is_told() {
        let cancel = CancellationToken::new();
        let options = ConnectOptions { cancel: cancel.clone(), ..Default::default() };
        let settings = refusing();
        let (result, ()) = tokio::join!(connect(&settings, "test", &options, &Silent), async { cancel.cancel() });
        let error = result.err().unwrap();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert!(error.chain().starts_with("connect to u@127.0.0.1:"), "{error:?}");
        assert!(error.chain().ends_with("the run was cancelled"), "{error:?}");
    }
}
