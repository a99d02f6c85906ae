//! A connection pooler in front of a Postgres server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::guard::{self, Guarded, Service};
use crate::scratch;
use crate::servers::cluster::{as_server_user, give_to_server_user};
use crate::servers::postgres::{Database, Postgres, SUPERUSER};

/// A running PgBouncer, ended when dropped. It lets everybody in.
#[derive(Debug)]
pub struct PgBouncer {
    guarded: Guarded<State>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    port: u16,
}

struct Pool<'a> {
    server: &'a Postgres,
    mode: &'static str,
    settings: &'static str,
}

impl PgBouncer {
    /// In front of `server`, in this `pool_mode`, with more lines for its configuration.
    pub fn before(server: &Postgres, mode: &'static str, settings: &'static str) -> PgBouncer {
        PgBouncer { guarded: guard::own("pgbouncer", &Pool { server, mode, settings }) }
    }

    /// Connection URI of a database, through the pooler.
    pub fn dsn(&self, database: &Database<'_>) -> String {
        format!("postgresql://{SUPERUSER}@127.0.0.1:{}/{}", self.guarded.state.port, database.name)
    }
}

impl Service for Pool<'_> {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let state = State { port: scratch::free_port() };
        fs::write(run.join("users"), format!("\"{SUPERUSER}\" \"\"\n")).unwrap();
        let configuration = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {}\n{}\n",
            self.server.socket_dir().display(),
            self.server.port(),
            state.port,
            run.join("users").display(),
            self.mode,
            self.settings,
        );
        fs::write(run.join("pgbouncer.ini"), configuration).unwrap();
        give_to_server_user(run);
        let mut command = as_server_user(&program());
        command.arg(run.join("pgbouncer.ini"));
        (command, state)
    }

    fn is_ready(&self, run: &Path, state: &State) -> bool {
        guard::listens(run, state.port)
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn furnish(&self, _: &Path, _: &State) {}
}

/// Debian puts it where only root's `PATH` leads.
fn program() -> PathBuf {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("pgbouncer: run scripts/test once, it installs what the tests need")
}
