//! The private servers: Postgres and SeaweedFS on free loopback ports, ended by signal when the benchmark ends.

use crate::bench::measure;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Both servers, and the environment in which every pipeline runs.
pub(crate) struct Servers {
    environment: Vec<(&'static str, OsString)>,
    path: Vec<PathBuf>,
    postgres: Server,
    store: Server,
}

struct Server {
    child: Child,
    end: Signal,
}

impl Servers {
    /// Starts both below `place` and waits until they answer.
    pub(crate) fn start(place: &Path, path: &[PathBuf]) -> io::Result<Self> {
        fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
        let [postgres, s3] = [free_port()?, free_port()?];
        let master = [free_port()?, free_port()?];
        let out = place.join("out");
        fs::create_dir(&out)?;
        let environment = environment(postgres, s3, &out, path)?;
        let path = path.to_vec();
        let servers = Self {
            postgres: start_postgres(&place.join("postgres"), postgres, &environment)?,
            store: start_store(&place.join("store"), s3, master, &environment)?,
            environment,
            path,
        };
        servers.retry("pg_isready -q")?;
        servers.retry(&format!("echo > /dev/tcp/127.0.0.1/{s3}"))?;
        servers.retry(&create_bucket(master))?;
        Ok(servers)
    }

    /// A command that finds the servers through its environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        command(program, &self.environment)
    }

    /// Runs a line of bash and returns what it printed; its own errors pass through.
    pub(crate) fn shell(&self, script: &str) -> io::Result<String> {
        let output = self.bash(script).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("`{script}` failed")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A line of bash in which any failing member of a pipe fails the whole.
    pub(crate) fn bash(&self, script: &str) -> Command {
        let mut bash = self.command("bash");
        bash.args(["-euo", "pipefail", "-c", script]).stdin(Stdio::null());
        bash
    }

    /// Whether a program can be run at all.
    pub(crate) fn has(&self, program: &str) -> bool {
        self.path.iter().any(|dir| dir.join(program).is_file())
    }

    /// Waits for the sessions of the last run to be gone, so that `postgres_cpu` counts them.
    pub(crate) fn settle(&self) -> io::Result<()> {
        self.shell(SETTLE)?;
        thread::sleep(Duration::from_millis(200)); // a session leaves the view a moment before its process ends
        Ok(())
    }

    /// CPU time of the database server so far, live sessions not counted.
    pub(crate) fn postgres_cpu(&self) -> Duration {
        measure::server_cpu(self.postgres.child.id())
    }

    /// CPU time of the object store so far.
    pub(crate) fn store_cpu(&self) -> Duration {
        measure::server_cpu(self.store.child.id())
    }

    fn retry(&self, script: &str) -> io::Result<()> {
        for _ in 0..300 {
            if self.bash(script).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(io::Error::other(format!("`{script}` failed for 30 seconds")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if pid.is_some_and(|pid| kill_process(pid, self.end).is_ok()) {
            let _ = self.child.wait();
        }
    }
}

fn environment(postgres: u16, s3: u16, out: &Path, path: &[PathBuf]) -> io::Result<Vec<(&'static str, OsString)>> {
    let endpoint = format!("http://127.0.0.1:{s3}");
    let dsn = |database: &str| OsString::from(format!("postgresql://postgres@127.0.0.1:{postgres}/{database}"));
    Ok(vec![
        ("PATH", env::join_paths(path).map_err(io::Error::other)?),
        ("OUT", out.into()),
        ("LC_ALL", "C".into()),
        ("PGHOST", "127.0.0.1".into()),
        ("PGPORT", postgres.to_string().into()),
        ("PGUSER", "postgres".into()),
        ("PGDATABASE", "bench".into()),
        ("DATABASE_URL", dsn("bench")),
        ("TARGET_URL", dsn("restored")),
        ("MANY_URL", dsn("many")),
        ("AWS_ENDPOINT_URL", endpoint.clone().into()),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_DEFAULT_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ("RCLONE_CONFIG", "/dev/null".into()),
        ("RCLONE_CONFIG_STORE_TYPE", "s3".into()),
        ("RCLONE_CONFIG_STORE_PROVIDER", "Other".into()),
        ("RCLONE_CONFIG_STORE_ENDPOINT", endpoint.into()),
        ("RCLONE_CONFIG_STORE_ACCESS_KEY_ID", ACCESS_KEY.into()),
        ("RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ("RCLONE_CONFIG_STORE_NO_CHECK_BUCKET", "true".into()),
        ("XDG_STATE_HOME", out.into()),
    ])
}

fn start_postgres(data: &Path, port: u16, environment: &[(&'static str, OsString)]) -> io::Result<Server> {
    let user = if geteuid().is_root() { Some(id_of("postgres")?) } else { None };
    fs::create_dir(data)?;
    chown(data, user, user)?;
    let as_server = |program: &str| {
        let mut command = command(program, environment);
        command.current_dir(data).stdout(Stdio::null());
        user.into_iter().for_each(|id| _ = command.uid(id).gid(id));
        command
    };
    let mut initdb = as_server("initdb");
    let initdb = initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(data);
    if !initdb.status()?.success() {
        return Err(io::Error::other("initdb failed"));
    }
    let mut postgres = as_server("postgres");
    postgres.arg("-D").arg(data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    postgres.args([
        "-c",
        "unix_socket_directories=",
        "-c",
        "shared_buffers=256MB",
        "-c",
        "max_locks_per_transaction=256",
    ]);
    let child = postgres.stderr(log(data, "server.log")?).spawn()?;
    Ok(Server { child, end: Signal::INT })
}

fn start_store(dir: &Path, s3: u16, master: [u16; 2], environment: &[(&'static str, OsString)]) -> io::Result<Server> {
    fs::create_dir(dir)?;
    let identities = dir.join("identities.json");
    fs::write(&identities, identity().to_string())?;
    let mut weed = command("weed", environment);
    weed.current_dir(dir)
        .arg("-alsologtostderr=false")
        .arg("server")
        .arg(flag("dir", dir))
        .arg(flag("s3.config", &identities));
    weed.args([
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]);
    weed.args([
        "-volume.max=400",
        "-master.volumeSizeLimitMB=1024",
        "-volume.minFreeSpace=1",
        "-master.telemetry=false",
    ]);
    weed.args([
        format!("-s3.port={s3}"),
        format!("-master.port={}", master[0]),
        format!("-master.port.grpc={}", master[1]),
    ]);
    for port in ["volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc"] {
        weed.arg(format!("-{port}={}", free_port()?));
    }
    let child = weed.stdout(Stdio::null()).stderr(log(dir, "server.log")?).spawn()?;
    Ok(Server { child, end: Signal::KILL })
}

// The store's own shell exits 0 whatever happens, so the listing must show the bucket.
fn create_bucket([http, grpc]: [u16; 2]) -> String {
    let commands = "s3.bucket.create -name bench\\ns3.bucket.list\\n";
    format!("printf '{commands}' | weed shell -master=127.0.0.1:{http}.{grpc} | grep -E '^ +bench'")
}

fn identity() -> serde_json::Value {
    let credentials = serde_json::json!([{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }]);
    let actions = ["Admin", "Read", "Write", "List", "Tagging"];
    serde_json::json!({ "identities": [{ "name": "bench", "credentials": credentials, "actions": actions }] })
}

fn flag(name: &str, value: &Path) -> OsString {
    let mut flag = OsString::from(format!("-{name}="));
    flag.push(value);
    flag
}

fn command(program: impl AsRef<OsStr>, environment: &[(&'static str, OsString)]) -> Command {
    let mut command = Command::new(program);
    let inherited = env::vars_os().map(|(name, _)| name);
    let foreign = inherited.filter(|name| FOREIGN.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix)));
    foreign.for_each(|name| _ = command.env_remove(name));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn log(dir: &Path, name: &str) -> io::Result<fs::File> {
    fs::File::create(dir.with_extension(name))
}

fn id_of(user: &str) -> io::Result<u32> {
    let output = Command::new("id").args(["-u", user]).output()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| io::Error::other(format!("no user {user}")))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

// The database of all others: not every benchmark makes `bench`.
const SETTLE: &str = r#"export PGDATABASE=postgres
sessions="SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
until [ "$(psql -XAtc "$sessions")" = 1 ]; do sleep 0.05; done
psql -XAtqc CHECKPOINT"#;
// Settings of the caller's own that would change what is measured.
const FOREIGN: [&[u8]; 4] = [b"AWS_", b"RCLONE_", b"PG", b"LIFEBOAT_"];
// Made up for a server that lives as long as the benchmark.
const ACCESS_KEY: &str = "bench";
const SECRET_KEY: &str = "benchbenchbench";
