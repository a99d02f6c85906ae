//! Our settings as those of the driver.

use secrecy::ExposeSecret as _;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding as DriverBinding, SslMode as DriverMode};

use super::settings::{ConnectionSettings, Endpoint, Host};
use super::ssl::{ChannelBinding, SslMode};

/// The ways to try, in order; a later one only when the failure of the former depended on TLS.
pub(super) fn modes(host: &Host, mode: SslMode) -> &'static [DriverMode] {
    match (&host.endpoint, mode) {
        (Endpoint::Socket(_), _) | (_, SslMode::Disable) => &[DriverMode::Disable],
        (_, SslMode::Allow) => &[DriverMode::Disable, DriverMode::Require],
        (_, SslMode::Prefer) => &[DriverMode::Prefer, DriverMode::Disable],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[DriverMode::Require],
    }
}

pub(super) fn driver_config(settings: &ConnectionSettings, host: &Host, mode: DriverMode) -> Config {
    let mut config = Config::new();
    match &host.endpoint {
        Endpoint::Name(name) => config.host(name),
        Endpoint::Socket(directory) => config.host_path(directory),
    };
    config.port(host.port).user(&settings.user).dbname(&settings.dbname).ssl_mode(mode);
    config.channel_binding(match settings.ssl.channel_binding {
        ChannelBinding::Disable => DriverBinding::Disable,
        ChannelBinding::Prefer => DriverBinding::Prefer,
        ChannelBinding::Require => DriverBinding::Require,
    });
    if !settings.options.is_empty() {
        config.options(&settings.options);
    }
    if let Some(password) = settings.password_for(host) {
        config.password(password.expose_secret());
    }
    let keepalives = &settings.keepalives;
    config
        .keepalives(keepalives.enabled)
        .keepalives_idle(keepalives.idle)
        .keepalives_interval(keepalives.interval)
        .keepalives_retries(keepalives.count)
        .tcp_user_timeout(keepalives.user_timeout);
    config
}
