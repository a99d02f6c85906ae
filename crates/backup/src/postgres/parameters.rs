//! Named connection parameters on their way from text to [`ConnectionSettings`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::{Error, Kind, Result};
use secrecy::SecretString;

use super::conninfo;
use super::environment::{Environment, VARIABLES};
use super::service;
use super::settings::{ConnectionSettings, Endpoint, Host, Keepalives, TargetSession};
use super::ssl::{ChannelBinding, SslMode, SslRoot, SslSettings};

/// Parameters that were given and not yet used. What is left when the settings are complete is refused by name.
pub(super) struct Parameters(BTreeMap<String, String>);

const DEFAULT_PORT: u16 = 5432;

/// A host that drops packets would otherwise hold a nightly run for minutes.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Parameters of libpq that ask for nothing we would do otherwise.
const WITHOUT_EFFECT: [(&str, &[&str]); 6] = [
    ("gssencmode", &["disable", "prefer"]),
    ("sslnegotiation", &["postgres"]),
    ("sslcompression", &["0"]),
    ("sslsni", &["1"]),
    ("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8", "auto"]),
    ("load_balance_hosts", &["disable"]),
];

/// Our sessions bear our own name, by which an operator finds and ends them.
const IGNORED: [&str; 2] = ["application_name", "fallback_application_name"];

impl Parameters {
    pub(super) fn read(text: &str, environment: &Environment<'_>) -> Result<Self> {
        let mut parameters: BTreeMap<_, _> = conninfo::pairs(text)?.into_iter().collect();
        let set = |name: Option<String>| name.filter(|name| !name.is_empty());
        let file = set(parameters.remove("servicefile"));
        if let Some(name) = set(parameters.remove("service").or_else(|| environment("PGSERVICE"))) {
            for (key, value) in service::look_up(&name, file, environment)? {
                parameters.entry(key).or_insert(value);
            }
        }
        for (variable, key) in VARIABLES {
            if let Some(value) = environment(variable) {
                parameters.entry(key.to_owned()).or_insert(value);
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn into_settings(mut self, environment: &Environment<'_>) -> Result<ConnectionSettings> {
        let home = environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let user = self.take("user").ok_or_else(|| {
            Error::new(Kind::Config, "find the user to connect as").hint("name it: user=… or postgresql://user@…")
        })?;
        let settings = ConnectionSettings {
            hosts: self.hosts()?,
            dbname: self.take("dbname").unwrap_or_else(|| user.clone()),
            user,
            ssl: self.ssl(home.as_deref())?,
            options: self.take("options").unwrap_or_default(),
            connect_timeout: self.connect_timeout()?,
            keepalives: self.keepalives()?,
            target: self.target()?,
            password: self.take("password").map(|password| Arc::new(SecretString::from(password))),
            passfile: self.take("passfile").map(PathBuf::from).or_else(|| Some(home?.join(".pgpass"))),
        };
        self.refuse_the_rest()?;
        Ok(settings)
    }

    /// Takes a value; an empty one counts as not given.
    fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key).filter(|value| !value.is_empty())
    }

    fn take_list(&mut self, key: &str) -> Vec<String> {
        self.take(key).map(|list| list.split(',').map(|item| item.trim().to_owned()).collect()).unwrap_or_default()
    }

    fn take_number<T: FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| unreadable(key, "it is not a number in range"))
    }

    fn hosts(&mut self) -> Result<Vec<Host>> {
        let (mut names, addresses) = (self.take_list("host"), self.take_list("hostaddr"));
        let ports = self.take_list("port");
        if names.is_empty() && addresses.is_empty() {
            names.push(String::new());
        }
        let count = names.len().max(addresses.len());
        fits("hostaddr", addresses.len(), addresses.is_empty() || names.is_empty(), count)?;
        fits("port", ports.len(), ports.len() <= 1, count)?;
        (0..count)
            .map(|i| {
                let port = read_port(ports.get(i).or(ports.first()).map_or("", String::as_str))?;
                let name = names.get(i).map_or("", String::as_str);
                read_host(name, addresses.get(i).map_or("", String::as_str), port)
            })
            .collect()
    }

    fn ssl(&mut self, home: Option<&Path>) -> Result<SslSettings> {
        let default_file = |name: &str| home.map(|home| home.join(".postgresql").join(name)).filter(|f| f.exists());
        let root = match self.take("sslrootcert") {
            Some(text) if text == "system" => Some(SslRoot::System),
            Some(file) => Some(SslRoot::File(file.into())),
            None => default_file("root.crt").map(SslRoot::File),
        };
        let mode = match self.take("sslmode") {
            Some(mode) => mode.parse()?,
            None if root == Some(SslRoot::System) => SslMode::VerifyFull,
            None => SslMode::default(),
        };
        let certificate = self.take("sslcert").map(PathBuf::from);
        let named = certificate.is_some();
        let key = self.take("sslkey").map(PathBuf::from).or_else(|| default_file("postgresql.key"));
        let client = certificate.or_else(|| default_file("postgresql.crt")).zip(key);
        if named && client.is_none() {
            return Err(unreadable("sslcert", "its private key is not given; set sslkey"));
        }
        let channel_binding =
            self.take("channel_binding").map_or(Ok(ChannelBinding::default()), |text| text.parse())?;
        SslSettings { mode, root, client, channel_binding }.checked()
    }

    /// libpq reads zero and less as no limit.
    fn connect_timeout(&mut self) -> Result<Option<Duration>> {
        let secs: Option<i32> = self.take_number("connect_timeout")?;
        Ok(match secs {
            None => Some(DEFAULT_CONNECT_TIMEOUT),
            Some(secs) => u64::try_from(secs).ok().filter(|secs| *secs > 0).map(Duration::from_secs),
        })
    }

    fn keepalives(&mut self) -> Result<Keepalives> {
        let default = Keepalives::default();
        let secs = |secs: Option<u64>, default| secs.filter(|s| *s > 0).map_or(default, Duration::from_secs);
        Ok(Keepalives {
            enabled: self.take_number::<i32>("keepalives")? != Some(0),
            idle: secs(self.take_number("keepalives_idle")?, default.idle),
            interval: secs(self.take_number("keepalives_interval")?, default.interval),
            count: self.take_number("keepalives_count")?.filter(|count| *count > 0).unwrap_or(default.count),
            user_timeout: self
                .take_number("tcp_user_timeout")?
                .filter(|millis| *millis > 0)
                .map_or(default.user_timeout, Duration::from_millis),
        })
    }

    fn target(&mut self) -> Result<TargetSession> {
        let Some(text) = self.take("target_session_attrs") else { return Ok(TargetSession::Any) };
        let known = TargetSession::ALL.into_iter().find(|target| target.as_str() == text);
        known.ok_or_else(|| {
            let all: Vec<_> = TargetSession::ALL.iter().map(|target| target.as_str()).collect();
            unreadable("target_session_attrs", &format!("it is none of {}", all.join(", ")))
        })
    }

    fn refuse_the_rest(mut self) -> Result<()> {
        for (key, harmless) in WITHOUT_EFFECT {
            if let Some(value) = self.take(key)
                && !harmless.contains(&value.as_str())
            {
                return Err(unreadable(key, "Lifeboat does not support this value"));
            }
        }
        for key in IGNORED {
            self.0.remove(key);
        }
        let Some(key) = self.0.keys().next() else { return Ok(()) };
        Err(Error::new(Kind::Config, format!("use the connection parameter {key:?}"))
            .hint("Lifeboat does not know it; remove it from the connection text"))
    }
}

fn fits(key: &str, given: usize, any_count_will_do: bool, hosts: usize) -> Result<()> {
    if any_count_will_do || given == hosts {
        return Ok(());
    }
    Err(unreadable(key, &format!("there are {hosts} hosts and {given} values")))
}

fn read_port(text: &str) -> Result<u16> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    // The value is not shown: with an unescaped / or ? in a password, it is a part of it.
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        unreadable("port", "it is not a number from 1 to 65535")
            .hint("in a URI, the characters / : @ ? % of a password must be percent-encoded")
    })
}

fn read_host(name: &str, address: &str, port: u16) -> Result<Host> {
    let address: Option<IpAddr> = match address {
        "" => None,
        text => Some(text.parse().map_err(|_| unreadable("hostaddr", "it is not an IP address"))?),
    };
    if name.contains('@') {
        return Err(unreadable("host", "it holds an @"));
    }
    let endpoint = match (name, address) {
        ("", Some(ip)) => Endpoint::Name(ip.to_string()),
        ("", None) => local_endpoint(port),
        (directory, _) if directory.starts_with('/') => Endpoint::Socket(directory.into()),
        (name, _) => Endpoint::Name(name.to_owned()),
    };
    Ok(Host { endpoint, address, port })
}

fn local_endpoint(port: u16) -> Endpoint {
    let listens = |directory: &&str| Path::new(directory).join(format!(".s.PGSQL.{port}")).exists();
    match SOCKET_DIRECTORIES.into_iter().find(listens) {
        Some(directory) => Endpoint::Socket(directory.into()),
        None => Endpoint::Name("localhost".to_owned()),
    }
}

fn unreadable(key: &str, why: &str) -> Error {
    Error::new(Kind::Config, format!("read the connection parameter {key}: {why}"))
}
