//! Real Postgres servers, and databases in them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use super::cluster::{Cluster, Standby, State};
use crate::guard::{self, Guarded};
use crate::scratch;
use crate::servers::installation::Installation;
use crate::session::PATIENCE;

/// The password of every role the tests log in with over TCP; unlike anything else, so that it can be looked for.
pub const PASSWORD: &str = "canary-5f1c9ad27e";

/// The superuser.
pub const SUPERUSER: &str = "postgres";

/// A role that may log in, owns nothing and may read nothing but what PUBLIC may.
pub const PLAIN_ROLE: &str = "plain";

/// A role that may log in, over TCP only with TLS where the server has it.
pub const TLS_ROLE: &str = "tls_only";

/// Which release to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Major {
    /// 12, fetched when it is first asked for; the client tools are newer ones.
    V12,
    /// 13, fetched when it is first asked for; the client tools are newer ones.
    V13,
    /// 14, fetched when it is first asked for; the client tools are newer ones.
    V14,
    /// 15, or the oldest later release the distribution has; [`Installation::number`] tells which.
    V15,
    /// 16, fetched when it is first asked for.
    V16,
    /// 17, fetched when it is first asked for.
    V17,
    /// 18.
    V18,
}

impl Major {
    /// Those that every test is for.
    pub const ALL: [Major; 2] = [Major::V15, Major::V18];
}

/// What a server of one's own differs in.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only for [`Major::V15`]: the Python package's Postgres 18 is built without TLS. TLS with the certificate of [`Certificates`](super::certificates::Certificates); [`TLS_ROLE`] is then refused without it.
    pub tls: bool,
    /// Lines for `postgresql.conf`, such as `("max_connections", "10")`.
    pub settings: Vec<(&'static str, String)>,
    /// Whether [`HARD_ROLES`](crate::fixtures::HARD_ROLES) are there: not for tests of roles that are missing.
    pub without_roles: bool,
}

/// A running server: superuser [`SUPERUSER`], password [`PASSWORD`] over TCP, none over the socket.
#[derive(Debug)]
pub struct Postgres {
    /// Its programs.
    pub installation: &'static Installation,
    guarded: Guarded<State>,
}

/// A database of one test; dropped with the value.
#[derive(Debug)]
pub struct Database<'s> {
    /// The server it lies in.
    pub server: &'s Postgres,
    /// Its name.
    pub name: String,
}

impl Postgres {
    /// The server of this release that all tests share: take a [`Database`] and leave the rest alone.
    pub fn shared(major: Major) -> &'static Postgres {
        static OLD: OnceLock<Postgres> = OnceLock::new();
        static NEW: OnceLock<Postgres> = OnceLock::new();
        let server = match major {
            Major::V15 => &OLD,
            Major::V18 => &NEW,
            Major::V12 | Major::V13 | Major::V14 | Major::V16 | Major::V17 => {
                panic!("a server of its own for each test of this version")
            }
        };
        server.get_or_init(|| {
            let installation = Installation::of(major);
            let cluster = Cluster { installation, options: &Options::default() };
            Postgres { installation, guarded: guard::shared(&format!("pg{}", installation.number), &cluster) }
        })
    }

    /// A server of one's own, ended when dropped.
    pub fn start(major: Major, options: &Options) -> Postgres {
        let installation = Installation::of(major);
        let cluster = Cluster { installation, options };
        Postgres { installation, guarded: guard::own(&format!("pg{}", installation.number), &cluster) }
    }

    /// A standby that follows this server, ended when dropped; it can be read from.
    pub fn standby(&self, options: &Options) -> Postgres {
        let service = Standby { primary: self, options };
        let name = format!("standby{}", self.installation.number);
        Postgres { installation: self.installation, guarded: guard::own(&name, &service) }
    }

    /// Creates an empty database from `template0` with a name that begins with `prefix`.
    pub fn database(&self, prefix: &str) -> Database<'_> {
        let name = scratch::unused_name(prefix);
        // The other strategy waits for a checkpoint; before 15 there is no other.
        let strategy = if self.installation.number < 15 { "" } else { "STRATEGY wal_log" };
        self.psql("postgres", &format!("CREATE DATABASE {} TEMPLATE template0 {strategy}", quoted(&name)));
        Database { server: self, name }
    }

    /// A handle for a database that something else created; it is dropped with the handle.
    pub fn adopt(&self, name: &str) -> Database<'_> {
        Database { server: self, name: name.to_owned() }
    }

    /// The names of databases that begin so, a line each: also those that a restore has not renamed yet.
    pub fn databases_like(&self, prefix: &str) -> String {
        let query = format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}') ORDER BY 1");
        self.psql("postgres", &query)
    }

    /// Whether there is a database of this very name.
    pub fn has_database(&self, name: &str) -> bool {
        self.databases_like(name).lines().any(|found| found == name)
    }

    /// Drops what [`Postgres::databases_like`] finds.
    pub fn drop_databases_like(&self, prefix: &str) {
        for name in self.databases_like(prefix).lines() {
            drop(self.adopt(name));
        }
    }

    /// Connection URI over TCP as superuser, password included.
    pub fn dsn(&self, database: &str) -> String {
        self.dsn_as(SUPERUSER, PASSWORD, database)
    }

    /// Connection URI over TCP.
    pub fn dsn_as(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgresql://{}:{}@127.0.0.1:{}/{}", percent(role), percent(password), self.port(), percent(database))
    }

    /// Connection URI over TCP as superuser, without a password.
    pub fn dsn_without_password(&self, database: &str) -> String {
        format!("postgresql://{SUPERUSER}@127.0.0.1:{}/{}", self.port(), percent(database))
    }

    /// Connection URI over the socket, where no password is asked for.
    pub fn socket_dsn(&self, database: &str) -> String {
        format!(
            "postgresql://{SUPERUSER}@/{}?host={}&port={}",
            percent(database),
            percent(&self.socket_dir().to_string_lossy()),
            self.port()
        )
    }

    /// Runs SQL as superuser, stopping at the first error; returns rows, unaligned, without headings. Panics on an error.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.try_psql(database, sql);
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "psql in {database}: {errors}\n{}", sql.get(..2000).unwrap_or(sql));
        text.trim_end_matches('\n').to_owned()
    }

    /// Like [`Postgres::psql`], for SQL that may fail.
    pub fn try_psql(&self, database: &str, sql: &str) -> Output {
        let mut command = self.client("psql", database);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        fed(command, sql.as_bytes())
    }

    /// A client tool of the server's own release, connected to `database` as superuser through the socket.
    pub fn client(&self, tool: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin(tool));
        command.env_clear().envs(self.client_environment(database)).current_dir("/");
        command
    }

    /// The variables that lead libpq to `database` through the socket, and a `PATH` with this release's tools.
    pub fn client_environment(&self, database: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PATH", self.installation.path()),
            ("PGHOST", self.socket_dir().to_string_lossy().into_owned()),
            ("PGPORT", self.port().to_string()),
            ("PGUSER", SUPERUSER.to_owned()),
            ("PGDATABASE", database.to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ]
    }

    /// The path of a tool of the server's own release.
    pub fn bin(&self, tool: &str) -> PathBuf {
        self.installation.bin(tool)
    }

    /// The port, on 127.0.0.1 and in the socket's name.
    pub fn port(&self) -> u16 {
        self.guarded.state.port
    }

    /// The folder of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.guarded.state.run
    }

    /// The server's log.
    pub fn log(&self) -> String {
        self.guarded.log()
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> i32 {
        self.guarded.pid()
    }
}

impl Database<'_> {
    /// See [`Postgres::psql`].
    pub fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql)
    }

    /// See [`Postgres::dsn`].
    pub fn dsn(&self) -> String {
        self.server.dsn(&self.name)
    }

    /// See [`Postgres::socket_dsn`].
    pub fn socket_dsn(&self) -> String {
        self.server.socket_dsn(&self.name)
    }

    /// Waits until the server has noticed that a killed run is dead: until then its sessions hold the database's lock.
    pub fn wait_until_let_go(&self) {
        let sessions = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name LIKE 'lifeboat/%'";
        let began = Instant::now();
        while self.psql(sessions) != "0" {
            assert!(began.elapsed() < PATIENCE, "the server keeps the sessions of a killed run");
        }
    }

    /// Runs an SQL file, and what it includes.
    pub fn load(&self, file: &Path) {
        let mut command = self.server.client("psql", &self.name);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file).stdout(Stdio::null());
        let output = command.output().expect("run psql");
        assert!(output.status.success(), "load {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }

    /// Feeds a script to stock psql as a restore by hand would; returns its output, for the caller to judge.
    pub fn feed(&self, script: &[u8]) -> Output {
        let mut command = self.server.client("psql", &self.name);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]);
        fed(command, script)
    }

    /// What stock pg_dump of the server's release writes with these arguments.
    pub fn pg_dump(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.server.client("pg_dump", &self.name).args(arguments).output().expect("run pg_dump");
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name));
        let output = self.server.try_psql("postgres", &drop);
        if !output.status.success() {
            eprintln!("{drop}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Runs a command with this as its input.
pub(super) fn fed(mut command: Command, input: &[u8]) -> Output {
    fed_bytes(&mut command, input)
}

/// The same, of a command that is still of use.
pub(crate) fn fed_bytes(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    std::thread::scope(|scope| {
        // A child that ends early closes its end: its exit status tells, not this write.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("wait for the child")
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
