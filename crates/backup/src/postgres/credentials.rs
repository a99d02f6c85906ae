//! Connection settings and passwords for child tools: files in a private directory, never arguments or environment.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::pgpass;
use super::settings::{ConnectionSettings, Endpoint, Host, TargetSession};
use super::ssl::{ChannelBinding, SslRoot, SslSettings};
use super::tls;
use crate::private_folder::{PrivateFolder, Purpose};
use crate::program_path::PROGRAM_PATH;

/// The files from which libpq in a child reads where to connect and with which password; removed on drop, so they
/// must live as long as the child: `pg_dump -j` and `pg_restore -j` connect again.
#[derive(Debug)]
pub struct ClientFiles {
    directory: PrivateFolder,
    options: String,
}

/// What one call of a tool needs beside the connection.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// The session is named `lifeboat/<purpose>`.
    pub purpose: &'a str,
    /// Settings of the tool's session, which win over the operator's own options.
    pub settings: &'a [(&'a str, &'a str)],
    /// The PATH on which the tool finds what it starts.
    pub path: OsString,
}

const SERVICE: &str = "lifeboat";
const SERVICE_FILE: &str = "pg_service.conf";
const PASSWORD_FILE: &str = "pgpass";
const ROOTS_FILE: &str = "root.crt";

impl Default for ToolCall<'_> {
    fn default() -> Self {
        Self { purpose: "tool", settings: &[], path: PROGRAM_PATH.into() }
    }
}

impl ClientFiles {
    /// Writes the files into a new directory, mode 0700, inside `parent` (`$RUNTIME_DIRECTORY`, which is in memory,
    /// or the system's directory for temporary files). What killed processes left there is removed.
    ///
    /// # Errors
    /// [`Kind::Config`] for a value that such a file cannot hold; [`Kind::Failure`] when it cannot be written.
    pub fn write(settings: &ConnectionSettings, parent: &Path) -> Result<Self> {
        let directory = PrivateFolder::make(parent, Purpose::Client)?;
        let files = Self { directory, options: settings.options.clone() };
        files.put(PASSWORD_FILE, password_file(settings)?.as_bytes())?;
        let roots = files.root_file(&settings.ssl)?;
        files.put(SERVICE_FILE, service_file(settings, roots.as_deref())?.as_bytes())?;
        Ok(files)
    }

    /// The private directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The file with the passwords alone, for a program that is told the rest otherwise: `PGPASSFILE`.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.directory.path().join(PASSWORD_FILE)
    }

    /// Gives a child an environment of its own, in which libpq finds these files and nothing of ours.
    pub fn apply(&self, command: &mut Command, call: &ToolCall<'_>) {
        command
            .env_clear()
            .env("PATH", &call.path)
            .env("LANG", "C")
            .env("LC_MESSAGES", "C")
            // No .pgpass, .psqlrc or .postgresql of anyone.
            .env("HOME", self.directory.path())
            .env("PGSERVICEFILE", self.directory.path().join(SERVICE_FILE))
            .env("PGSERVICE", SERVICE)
            .env("PGPASSFILE", self.password_file())
            .env("PGAPPNAME", format!("lifeboat/{}", call.purpose));
        let options = session_options(&self.options, call.settings);
        if !options.is_empty() {
            command.env("PGOPTIONS", options);
        }
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content))
            .kind_of(Kind::Failure, || format!("write {}", path.display()))?;
        Ok(path)
    }

    /// libpq before 16 takes `system` for the name of a file, so the certificates are written into one.
    fn root_file(&self, ssl: &SslSettings) -> Result<Option<PathBuf>> {
        match &ssl.root {
            None => Ok(None),
            Some(SslRoot::File(file)) => {
                std::path::absolute(file).map(Some).kind_of(Kind::Config, || format!("find {}", file.display()))
            }
            Some(SslRoot::System) => self.put(ROOTS_FILE, pem(&tls::roots(&SslRoot::System)?).as_bytes()).map(Some),
        }
    }
}

/// The operator's options followed by ours, each value escaped as the server splits them.
#[must_use]
pub fn session_options(operators: &str, settings: &[(&str, &str)]) -> String {
    let mut options = operators.trim().to_owned();
    for (name, value) in settings {
        let value: String = value
            .chars()
            .flat_map(|c| (c == '\\' || c.is_whitespace()).then_some('\\').into_iter().chain([c]))
            .collect();
        let separator = if options.is_empty() { "" } else { " " };
        let _ = write!(options, "{separator}-c {name}={value}");
    }
    options
}

fn service_file(settings: &ConnectionSettings, roots: Option<&Path>) -> Result<String> {
    let mut text = format!("[{SERVICE}]\n");
    for (key, value) in service_values(settings, roots)? {
        if value.contains(['\n', '\r', '\0']) || value.trim() != value {
            return Err(Error::new(Kind::Config, format!("write {key} into a service file"))
                .caused_by("it has a newline, or blanks at an end"));
        }
        let _ = writeln!(text, "{key}={value}");
    }
    Ok(text)
}

/// A value that is libpq's default is left out, so that an old libpq need not know its key.
fn service_values(settings: &ConnectionSettings, roots: Option<&Path>) -> Result<Vec<(&'static str, String)>> {
    let mut values = host_values(&settings.hosts);
    values.push(("user", settings.user.clone()));
    values.push(("dbname", settings.dbname.clone()));
    values.push(("sslmode", settings.ssl.mode.as_str().to_owned()));
    for (key, path) in [("sslrootcert", roots)]
        .into_iter()
        .chain(settings.ssl.client.iter().flat_map(|(c, k)| [("sslcert", Some(c.as_path())), ("sslkey", Some(k))]))
    {
        let Some(path) = path else { continue };
        let path = std::path::absolute(path).kind_of(Kind::Config, || format!("find {}", path.display()))?;
        let text = path.to_str().ok_or_else(|| Error::new(Kind::Config, format!("write {key} into a service file")))?;
        values.push((key, text.to_owned()));
    }
    if settings.ssl.channel_binding != ChannelBinding::default() {
        values.push(("channel_binding", settings.ssl.channel_binding.as_str().to_owned()));
    }
    if settings.target != TargetSession::Any {
        values.push(("target_session_attrs", settings.target.as_str().to_owned()));
    }
    let secs = |duration: Duration| duration.as_secs().max(1).to_string();
    values.push(("connect_timeout", settings.connect_timeout.map_or("0".to_owned(), secs)));
    values.push(("keepalives", u8::from(settings.keepalives.enabled).to_string()));
    values.push(("keepalives_idle", secs(settings.keepalives.idle)));
    values.push(("keepalives_interval", secs(settings.keepalives.interval)));
    values.push(("keepalives_count", settings.keepalives.count.to_string()));
    values.push(("tcp_user_timeout", settings.keepalives.user_timeout.as_millis().to_string()));
    Ok(values)
}

fn host_values(hosts: &[Host]) -> Vec<(&'static str, String)> {
    let list = |item: fn(&Host) -> String| hosts.iter().map(item).collect::<Vec<_>>().join(",");
    let mut values =
        vec![("host", list(|host| host.endpoint.to_string())), ("port", list(|host| host.port.to_string()))];
    if hosts.iter().any(|host| host.address.is_some()) {
        values.push(("hostaddr", list(|host| host.address.map(|ip| ip.to_string()).unwrap_or_default())));
    }
    values
}

/// One line per server and name; a socket directory is also known as `localhost`. Any database: tools also connect
/// to others than the one that was asked for.
fn password_file(settings: &ConnectionSettings) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    for host in &settings.hosts {
        let Some(password) = settings.password_for(host) else { continue };
        if password.expose_secret().contains(['\n', '\r', '\0']) {
            return Err(Error::new(Kind::Config, "write a password with a newline into a password file"));
        }
        let password = Zeroizing::new(pgpass::escape(password.expose_secret()));
        let name = host.endpoint.to_string();
        let names = match host.endpoint {
            Endpoint::Socket(_) => vec![name.as_str(), "localhost"],
            Endpoint::Name(_) => vec![name.as_str()],
        };
        for name in names {
            let (name, user) = (pgpass::escape(name), pgpass::escape(&settings.user));
            let _ = writeln!(text, "{name}:{}:*:{user}:{}", host.port, *password);
        }
    }
    Ok(text)
}

fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in BASE64_STANDARD.encode(certificate).as_bytes().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tokio::process::Command;

    use super::{ClientFiles, ToolCall, session_options};
    use crate::postgres::ConnectionSettings;

    fn settings(text: &str) -> ConnectionSettings {
        ConnectionSettings::parse(text, &|_| None).unwrap()
    }

    #[test]
    fn the_files_are_private_and_end_with_their_owner() {
        let parent = tempfile::tempdir().unwrap();
        let text = "host=db,::1 port=1,2 user=al:ice password=S3:cr\\\\et dbname=shop sslmode=require options='-c a=b'";
        let files = ClientFiles::write(&settings(text), parent.path()).unwrap();
        let directory = files.directory.path().to_owned();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        for name in ["pgpass", "pg_service.conf"] {
            assert_eq!(fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let passwords = fs::read_to_string(directory.join("pgpass")).unwrap();
        assert_eq!(passwords, "db:1:*:al\\:ice:S3\\:cr\\\\et\n\\:\\:1:2:*:al\\:ice:S3\\:cr\\\\et\n");
        let service = fs::read_to_string(directory.join("pg_service.conf")).unwrap();
        assert!(service.starts_with("[lifeboat]\nhost=db,::1\nport=1,2\nuser=al:ice\ndbname=shop\nsslmode=require\n"));
        assert!(service.contains("keepalives_idle=30\n") && !service.contains("S3"));
        drop(files);
        assert!(!directory.exists());
    }

    #[test]
    fn the_files_of_a_killed_process_go_with_the_next_ones() {
        let parent = tempfile::tempdir().unwrap();
        let running = ClientFiles::write(&settings("host=db user=u password=S3cret"), parent.path()).unwrap();
        let left = parent.path().join("lifeboat-client-killed");
        fs::create_dir(&left).unwrap();
        // The kernel took the lock back.
        fs::write(left.join("lock"), "").unwrap();
        fs::write(left.join("pgpass"), "db:5432:*:u:S3cret\n").unwrap();
        let next = ClientFiles::write(&settings("host=db user=u password=S3cret"), parent.path()).unwrap();
        assert!(!left.exists());
        assert!(running.password_file().exists() && next.password_file().exists());
    }

    #[test]
    fn a_child_sees_neither_the_password_nor_our_environment() {
        let parent = tempfile::tempdir().unwrap();
        let files =
            ClientFiles::write(&settings("host=db user=u password=S3cret options='-c a=b'"), parent.path()).unwrap();
        let mut command = Command::new("true");
        command.env("AWS_SECRET_ACCESS_KEY", "S3cret");
        files.apply(
            &mut command,
            &ToolCall { purpose: "dump", settings: &[("search_path", "a b")], ..ToolCall::default() },
        );
        let environment: Vec<_> = command.as_std().get_envs().collect();
        assert!(!format!("{environment:?}").contains("S3cret"));
        let value = |key: &str| environment.iter().find(|(name, _)| *name == key).and_then(|(_, value)| *value);
        assert_eq!(value("PGAPPNAME").unwrap(), "lifeboat/dump");
        assert_eq!(value("PGOPTIONS").unwrap(), "-c a=b -c search_path=a\\ b");
    }

    #[test]
    fn a_value_that_would_add_a_line_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        for text in ["user='u\nhost=evil'", "user=u password='a\nb'", "user=u dbname='d '"] {
            assert!(ClientFiles::write(&settings(&format!("host=db {text}")), parent.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn options_are_split_by_the_server_where_we_mean_it() {
        assert_eq!(session_options("", &[("a", "x\\y z")]), "-c a=x\\\\y\\ z");
        assert_eq!(session_options(" -c b=1 ", &[]), "-c b=1");
    }
}
