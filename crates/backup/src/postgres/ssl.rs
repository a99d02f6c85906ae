//! What a connection asks of TLS, with the meaning that libpq gives to each `sslmode`.

use std::path::PathBuf;
use std::str::FromStr;

use lifeboat_core::{Error, Kind, Result};

/// Whether TLS is used and what of the server's certificate is checked.
///
/// The default is `prefer`, as libpq's: a text that works with `psql` works here. `prefer` protects from nothing but
/// onlookers; a server beyond this host deserves `verify-full`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only where the server refuses to talk without.
    Allow,
    /// TLS where the server speaks it.
    #[default]
    Prefer,
    /// Always TLS; the certificate's chain is checked when there are root certificates, as in `verify-ca`.
    Require,
    /// Always TLS, and a certificate signed by a root certificate.
    VerifyCa,
    /// Always TLS, a certificate signed by a root certificate, and the host's name in it.
    VerifyFull,
}

/// Where root certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SslRoot {
    /// A PEM file.
    File(PathBuf),
    /// The certificates that this host trusts, `sslrootcert=system`.
    System,
}

/// TLS settings of a connection. TLS is never used over a Unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SslSettings {
    /// Whether TLS is used and what is checked.
    pub mode: SslMode,
    /// The root certificates; `None` checks nothing.
    pub root: Option<SslRoot>,
    /// The client's certificate and its private key, both PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
    /// What the login asks of channel binding.
    pub channel_binding: ChannelBinding,
}

/// Whether the login is bound to the TLS channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always.
    Require,
}

impl SslMode {
    /// The mode as libpq writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl ChannelBinding {
    /// The setting as libpq writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }
}

impl SslSettings {
    /// Checks that the parts fit together, as libpq does.
    pub(super) fn checked(self) -> Result<Self> {
        if self.root == Some(SslRoot::System) && self.mode != SslMode::VerifyFull {
            return Err(Error::new(
                Kind::Config,
                format!("use sslrootcert=system with sslmode={}", self.mode.as_str()),
            )
            .hint("anyone can have a certificate that this host trusts: set sslmode=verify-full"));
        }
        if self.root.is_none() && self.mode >= SslMode::VerifyCa {
            return Err(Error::new(
                Kind::Config,
                format!("use sslmode={} without root certificates", self.mode.as_str()),
            )
            .hint("set sslrootcert to a PEM file, or sslrootcert=system, or put the file at ~/.postgresql/root.crt"));
        }
        Ok(self)
    }
}

impl FromStr for SslMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                Error::new(Kind::Config, format!("use {text:?} as sslmode"))
                    .hint("sslmode is one of disable, allow, prefer, require, verify-ca, verify-full")
            })
    }
}

impl FromStr for ChannelBinding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Disable, Self::Prefer, Self::Require].into_iter().find(|binding| binding.as_str() == text).ok_or_else(
            || {
                Error::new(Kind::Config, format!("use {text:?} as channel_binding"))
                    .hint("channel_binding is one of disable, prefer, require")
            },
        )
    }
}
