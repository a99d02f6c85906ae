//! The way to the store: `bandwidth`, `retry_for`, `ca` and `proxy` of `[store]`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_core::store::{Network, RetryPolicy};
use lifeboat_core::{Kind, Result, ResultExt as _};
use secrecy::SecretString;

use super::amounts::Size;
use super::env_vars;
use super::environment::Environment;
use super::layers::Layers;
use super::origin::Sourced;
use super::problems::Problems;
use super::secret_ref::SecretRef;
use super::section::Section;
use super::setting::{Misfit, Setting, quoted};

/// How requests reach the store, and how long they try.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkConfig {
    /// Bytes in a second, in both directions together.
    pub(crate) bandwidth: Option<Sourced<Bandwidth>>,
    /// How long a call is repeated.
    pub(crate) retry_for: Option<Sourced<Duration>>,
    /// A file of certificates that are trusted beside the system's.
    pub(crate) ca: Option<Sourced<PathBuf>>,
    /// The proxy for every request.
    pub(crate) proxy: Option<Sourced<ProxyUrl>>,
}

/// `--bandwidth` and `--retry-for`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkFlags<'a> {
    pub(crate) bandwidth: Option<&'a str>,
    pub(crate) retry_for: Option<&'a str>,
}

impl NetworkConfig {
    /// Reads its keys of `[store]`.
    pub(crate) fn read(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        Self {
            bandwidth: section.read("bandwidth", problems),
            retry_for: section.read("retry_for", problems),
            ca: section.read("ca", problems),
            proxy: section.read("proxy", problems),
        }
    }

    /// Lays flags and environment over the file.
    pub(crate) fn layered(self, flags: NetworkFlags<'_>, layers: &mut Layers<'_>) -> Self {
        Self {
            bandwidth: layers.pick(("--bandwidth", flags.bandwidth), env_vars::BANDWIDTH, self.bandwidth),
            retry_for: layers.pick(("--retry-for", flags.retry_for), env_vars::RETRY_FOR, self.retry_for),
            ..self
        }
    }

    /// Reads the certificates and fetches the proxy's address, if it is a secret.
    ///
    /// # Errors
    /// [`Kind::Config`] when one of them is not there.
    pub(crate) async fn resolved(&self, environment: &Environment) -> Result<Network> {
        let read = |path: &PathBuf| {
            std::fs::read(path).kind_of(Kind::Config, || format!("read the certificates in {}", path.display()))
        };
        Ok(Network {
            bandwidth: self.bandwidth.as_ref().map(|rate| rate.value.0),
            ca: self.ca.as_ref().map(|ca| read(&ca.value)).transpose()?,
            proxy: match &self.proxy {
                Some(proxy) => Some(proxy.value.resolve(environment).await?),
                None => None,
            },
        })
    }

    /// How long so many bytes take, if what may move in a second is bounded.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        let seconds = self.bandwidth.as_ref().map_or(0, |rate| bytes.div_ceil(rate.value.0.get()));
        Duration::from_secs(seconds)
    }

    /// How patiently calls are repeated.
    pub(crate) fn patience(&self) -> RetryPolicy {
        let usual = RetryPolicy::default();
        RetryPolicy { give_up_after: self.retry_for.as_ref().map_or(usual.give_up_after, |time| time.value), ..usual }
    }
}

/// Bytes in a second, such as `4MiB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bandwidth(NonZeroU64);

impl Setting for Bandwidth {
    const EXPECTED: &'static str = "a size for each second such as \"4MiB/s\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let size = Size::from_text(text.strip_suffix("/s").unwrap_or(text).trim_end());
        let rate = size.map_err(|_| Misfit::expected::<Self>(&format!("{text:?}")))?.bytes();
        NonZeroU64::new(rate).filter(|rate| rate.get() >= SLOWEST).map(Self).ok_or_else(|| {
            Misfit::new("less than 64KiB in a second").help("a gigabyte would take more than four hours")
        })
    }

    fn show(&self) -> String {
        let size = Size::from_bytes(self.0.get()).show();
        size.strip_suffix('"').map_or_else(|| size.clone(), |size| format!("{size}/s\""))
    }
}

/// Where a proxy is; its address may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyUrl {
    /// The whole address is a secret.
    Secret(SecretRef),
    /// One without a password.
    Plain(String),
}

impl ProxyUrl {
    /// The reference, where it is one.
    pub(crate) fn reference(&self) -> Option<&SecretRef> {
        match self {
            Self::Secret(reference) => Some(reference),
            Self::Plain(_) => None,
        }
    }

    async fn resolve(&self, environment: &Environment) -> Result<SecretString> {
        match self {
            Self::Secret(reference) => reference.resolve(environment).await,
            Self::Plain(text) => Ok(SecretString::from(text.as_str())),
        }
    }
}

impl Setting for ProxyUrl {
    const EXPECTED: &'static str = "the address of a proxy or a reference to it";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        if SecretRef::is_reference(text) {
            return SecretRef::from_text(text).map(Self::Secret);
        }
        let is_http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
        match is_http {
            _ if text.contains('@') => {
                Err(Misfit::new("the proxy's address carries a user or a password").help(PROXY_SECRET).secret())
            }
            true => Ok(Self::Plain(text.to_owned())),
            false => Err(Misfit::new("this is no address of a proxy").help("write http://host:port").secret()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Secret(reference) => reference.show(),
            Self::Plain(text) => quoted(text),
        }
    }
}

const PROXY_SECRET: &str =
    "put the whole address into a variable or a private file and write env:NAME or file:/path here";
const SLOWEST: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::{Bandwidth, ProxyUrl, Setting as _};

    #[test]
    fn a_bandwidth_is_a_size_for_each_second() {
        for (text, shown) in [("4MiB/s", "\"4MiB/s\""), ("64KiB", "\"64KiB/s\""), ("1 GiB /s", "\"1GiB/s\"")] {
            assert_eq!(Bandwidth::from_text(text).unwrap().show(), shown);
        }
        for text in ["", "0B", "63KiB", "4Mbit/s", "fast"] {
            assert!(Bandwidth::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_proxy_with_a_password_is_a_reference_and_is_never_repeated() {
        for text in ["http://me:hunter2@proxy:3128", "socks5://hunter2"] {
            let misfit = ProxyUrl::from_text(text).unwrap_err();
            assert!(misfit.secret && !format!("{misfit:?}").contains("hunter2"));
        }
        assert_eq!(ProxyUrl::from_text("env:PROXY").unwrap().show(), "\"env:PROXY\"");
        assert_eq!(ProxyUrl::from_text("http://proxy:3128").unwrap().show(), "\"http://proxy:3128\"");
    }
}
