//! One session with one host: its addresses, and the ways of TLS that its settings allow, one after another.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::config::SslMode as DriverMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::driver::{driver_config, modes};
use super::failure::{Cause, Failure};
use super::session::DirectSession;
use super::settings::{ConnectionSettings, Endpoint, Host};

/// Opens a session at the first address of the host that gives one.
pub(super) async fn open(
    settings: &ConnectionSettings,
    host: &Host,
    tls: &MakeRustlsConnect,
) -> Result<DirectSession, Failure> {
    let limit = settings.connect_timeout;
    let mut failed = None;
    for address in within(limit, host, addresses(host)).await? {
        for mode in modes(host, settings.ssl.mode) {
            match within(limit, host, open_at(settings, host, address, *mode, tls)).await {
                Ok(session) => return Ok(session),
                Err(failure) => {
                    let another_mode_may_do = failure.cause.depends_on_tls();
                    failed = Some(failure);
                    if !another_mode_may_do {
                        break;
                    }
                }
            }
        }
    }
    Err(failed.unwrap_or_else(|| Failure::new(Cause::UnknownHost, host, "it has no address")))
}

async fn within<T>(
    limit: Option<Duration>,
    host: &Host,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Failure::timed_out(host))),
        None => work.await,
    }
}

async fn addresses(host: &Host) -> Result<Vec<Option<IpAddr>>, Failure> {
    let name = match (&host.endpoint, host.address) {
        (Endpoint::Name(name), None) => name.as_str(),
        (_, address) => return Ok(vec![address]),
    };
    let found = tokio::net::lookup_host((name, host.port)).await.map_err(|error| Failure::unresolved(host, error))?;
    let mut addresses: Vec<_> = found.map(|address| Some(address.ip())).collect();
    addresses.dedup();
    Ok(addresses)
}

async fn open_at(
    settings: &ConnectionSettings,
    host: &Host,
    address: Option<IpAddr>,
    mode: DriverMode,
    tls: &MakeRustlsConnect,
) -> Result<DirectSession, Failure> {
    let mut config = driver_config(settings, host, mode);
    if let Some(address) = address {
        config.hostaddr(address);
    }
    let (client, connection) =
        config.connect(tls.clone()).await.map_err(|error| Failure::from_postgres(host, error))?;
    let pinned = settings.pinned_to(Host { address, ..host.clone() });
    DirectSession::start(client, connection, tls.clone(), pinned).await.map_err(Failure::after_login)
}
