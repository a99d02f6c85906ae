//! How a Postgres server comes about: copied from a template, or from a primary, and started as a user of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::postgres::{Options, PASSWORD, PLAIN_ROLE, Postgres, SUPERUSER, TLS_ROLE, fed};
use crate::guard::Service;
use crate::servers::certificates::Certificates;
use crate::servers::installation::Installation;
use crate::{fixtures, scratch};

/// Where a server listens.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) port: u16,
    pub(super) run: PathBuf,
}

/// A server of its own.
pub(super) struct Cluster<'a> {
    pub(super) installation: &'static Installation,
    pub(super) options: &'a Options,
}

/// A server that follows another.
pub(super) struct Standby<'a> {
    pub(super) primary: &'a Postgres,
    pub(super) options: &'a Options,
}

impl Service for Cluster<'_> {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let state = State { port: scratch::free_port(), run: run.to_owned() };
        let data = run.join("data");
        copy_cluster(&template(self.installation), &data);
        fs::write(data.join("postgresql.auto.conf"), self.settings(&state)).unwrap();
        fs::write(data.join("pg_hba.conf"), self.access()).unwrap();
        if self.options.tls {
            let certificates = Certificates::of_this_checkout();
            fs::copy(certificates.certificate, data.join("server.crt")).unwrap();
            fs::copy(certificates.key, data.join("server.key")).unwrap();
            fs::copy(certificates.authority, data.join("root.crt")).unwrap();
            fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        give_to_server_user(run);
        (server_command(self.installation, run), state)
    }

    fn is_ready(&self, run: &Path, _: &State) -> bool {
        postmaster_status(run) == "ready"
    }

    fn end_signal(&self) -> &'static str {
        "QUIT"
    }

    fn furnish(&self, run: &Path, state: &State) {
        if self.options.without_roles {
            return;
        }
        let mut command = Command::new(self.installation.bin("psql"));
        command
            .env_clear()
            .env("PATH", self.installation.path())
            .arg("-h")
            .arg(run)
            .arg("-p")
            .arg(state.port.to_string());
        command.args(["-U", SUPERUSER, "-d", "postgres", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]);
        let output = command.arg(fixtures::sql(fixtures::HARD_ROLES)).output().expect("run psql");
        assert!(output.status.success(), "create roles: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Service for Standby<'_> {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let state = State { port: scratch::free_port(), run: run.to_owned() };
        let installation = self.primary.installation;
        give_to_server_user(run);
        let mut copy = as_server_user(&installation.bin("pg_basebackup"));
        copy.args(["--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "-U", SUPERUSER]);
        copy.arg("-h").arg(self.primary.socket_dir()).arg("-p").arg(self.primary.port().to_string());
        copy.arg("-D").arg(run.join("data")).current_dir(run);
        let output = copy.output().expect("run pg_basebackup");
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        // The last setting of a name wins: the copy brought the primary's, and how to follow it.
        let file = run.join("data/postgresql.auto.conf");
        let settings =
            fs::read_to_string(&file).unwrap() + &Cluster { installation, options: self.options }.settings(&state);
        fs::write(file, settings).unwrap();
        (server_command(installation, run), state)
    }

    fn is_ready(&self, run: &Path, _: &State) -> bool {
        postmaster_status(run) == "ready"
    }

    fn end_signal(&self) -> &'static str {
        "QUIT"
    }

    fn furnish(&self, _: &Path, _: &State) {}
}

fn server_command(installation: &Installation, run: &Path) -> Command {
    let mut command = as_server_user(&installation.bin("postgres"));
    command.arg("-D").arg(run.join("data")).env("LC_ALL", "C.UTF-8");
    command
}

/// As pg_ctl does it: the postmaster writes its state into the eighth line of its pid file.
fn postmaster_status(run: &Path) -> String {
    let lines = fs::read_to_string(run.join("data/postmaster.pid")).unwrap_or_default();
    lines.lines().nth(7).unwrap_or_default().trim().to_owned()
}

impl Cluster<'_> {
    fn settings(&self, state: &State) -> String {
        let mut text = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nwal_level = logical\nautovacuum = off\n\
             shared_buffers = '64MB'\nmax_wal_size = '4GB'\nmax_locks_per_transaction = 1024\nmax_prepared_transactions = 4\n\
             dynamic_shared_memory_type = 'mmap'\npassword_encryption = 'scram-sha-256'\nlog_line_prefix = '%t %d %u %a '\nssl = {}\n",
            state.port,
            state.run.display(),
            if self.options.tls { "on" } else { "off" },
        );
        if self.options.tls {
            text.push_str("ssl_ca_file = 'root.crt'\n");
        }
        for (name, value) in &self.options.settings {
            text.push_str(&format!("{name} = '{value}'\n"));
        }
        text
    }

    fn access(&self) -> &'static str {
        if self.options.tls {
            "local all all trust\nlocal replication all trust\nhostnossl all tls_only 127.0.0.1/32 reject\nhostssl all certified 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
        } else {
            "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
        }
    }
}

/// A cluster as initdb makes it, made once and copied: a start costs a third of a second.
fn template(installation: &Installation) -> PathBuf {
    let build = scratch::fnv1a(installation.bin.to_string_lossy().as_bytes());
    scratch::once(&format!("template-{}-{build:08x}", installation.number), |draft| {
        let password = draft.join("password");
        fs::write(&password, PASSWORD).unwrap();
        give_to_server_user(draft);
        let mut initdb = as_server_user(&installation.bin("initdb"));
        initdb.args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--auth=scram-sha-256"]);
        initdb.arg("--pwfile").arg(&password).arg("-D").arg(draft.join("data"));
        let output = initdb.output().expect("run initdb");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let roles =
            [PLAIN_ROLE, TLS_ROLE].map(|role| format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';\n")).concat();
        let mut single = as_server_user(&installation.bin("postgres"));
        single.args(["--single", "-D"]).arg(draft.join("data")).arg("postgres");
        let output = fed(single, roles.as_bytes());
        assert!(output.status.success(), "create roles: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn copy_cluster(template: &Path, data: &Path) {
    let done = Command::new("cp").arg("-a").arg(template.join("data")).arg(data).status().expect("run cp");
    assert!(done.success(), "copy the cluster template");
}

/// Postgres refuses to run as root.
pub(crate) fn as_server_user(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

pub(crate) fn give_to_server_user(folder: &Path) {
    if rustix::process::getuid().is_root() {
        let done = Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder).status().expect("run chown");
        assert!(done.success(), "give {} to the user postgres", folder.display());
    }
}
