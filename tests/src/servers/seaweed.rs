//! A real S3 server: SeaweedFS, with keys that may do everything, only write, or only read.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::PATIENCE;
use crate::guard::{self, Guarded, Service};
use crate::inventory::Bucket;
use crate::scratch;
use crate::servers::certificates::Certificates;
use crate::servers::installation::in_venv;

/// The region every key signs for.
pub const REGION: &str = "us-east-1";

/// Who talks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// May do everything.
    Admin,
    /// May write, and nothing else. SeaweedFS counts DELETE and AbortMultipartUpload as writing.
    Writer,
    /// May read and list.
    Reader,
    /// Unknown to the server.
    Stranger,
}

/// A running server, shared by all tests or one's own.
#[derive(Debug)]
pub struct Seaweed {
    guarded: Guarded<State>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    s3_port: u16,
    https_port: u16,
    filer_port: u16,
}

struct Weed;

impl Identity {
    const KNOWN: [Identity; 3] = [Identity::Admin, Identity::Writer, Identity::Reader];

    /// The access key id.
    pub fn access_key(self) -> &'static str {
        match self {
            Identity::Admin => "LIFEBOATADMIN0000001",
            Identity::Writer => "LIFEBOATWRITER000001",
            Identity::Reader => "LIFEBOATREADER000001",
            Identity::Stranger => "LIFEBOATSTRANGER0001",
        }
    }

    /// The secret key; unlike anything else, so that it can be looked for.
    pub fn secret_key(self) -> &'static str {
        match self {
            Identity::Admin => "canary-admin-0c7be0f2f1b44d6a9f3e",
            Identity::Writer => "canary-writer-8a51d7c94e2b47f0a6d1",
            Identity::Reader => "canary-reader-5de2f8b76c1a4b93b0e4",
            Identity::Stranger => "canary-stranger-31f7a2c8d95e4c06",
        }
    }

    /// The variables that lead a client to `endpoint` as this identity.
    pub fn environment(self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key().to_owned()),
        ]
    }

    fn actions(self) -> &'static [&'static str] {
        match self {
            Identity::Admin => &["Admin", "Read", "Write", "List", "Tagging"],
            Identity::Writer => &["Write"],
            Identity::Reader => &["Read", "List"],
            Identity::Stranger => &[],
        }
    }
}

impl Seaweed {
    /// The server all tests share: take a [`Bucket`].
    pub fn shared() -> &'static Seaweed {
        static SERVER: OnceLock<Seaweed> = OnceLock::new();
        SERVER.get_or_init(|| Seaweed { guarded: guard::shared("seaweed", &Weed) })
    }

    /// A server of one's own, for tests that stop it; takes four seconds.
    pub fn start() -> Seaweed {
        Seaweed { guarded: guard::own("seaweed", &Weed) }
    }

    /// Creates a bucket with a name that begins with `prefix`.
    pub fn bucket(&self, prefix: &str) -> Bucket {
        let name = format!("{prefix}-{:010x}", scratch::unique() >> 24);
        make_bucket(self.guarded.state.filer_port, &name);
        Bucket::new(self.endpoint(), name)
    }

    /// The URL of the S3 API.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The URL of the S3 API behind a certificate of [`Certificates::authority`].
    pub fn https_endpoint(&self) -> String {
        format!("https://localhost:{}", self.guarded.state.https_port)
    }

    /// The port of the S3 API, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.guarded.state.s3_port
    }

    /// See [`Identity::environment`].
    pub fn environment(&self, identity: Identity) -> Vec<(&'static str, String)> {
        identity.environment(&self.endpoint())
    }

    /// The server's log.
    pub fn log(&self) -> String {
        self.guarded.log()
    }

    /// The server's process id.
    pub fn pid(&self) -> i32 {
        self.guarded.pid()
    }
}

impl Service for Weed {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let ports: [u16; 9] = scratch::free_ports();
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc, https] = ports;
        let certificates = Certificates::of_this_checkout();
        scratch::create_open(&run.join("data"));
        fs::write(run.join("identities.json"), identities()).unwrap();
        // Each bucket is a collection with volumes of its own: one at a time, and as many as there are tests.
        fs::write(run.join("master.toml"), "[master.volume_growth]\ncopy_1 = 1\n").unwrap();
        fs::write(run.join("leftovers"), sockets(&ports)).unwrap();
        let mut command = Command::new(in_venv("bin/weed"));
        command.current_dir(run).env("HOME", run).env("TMPDIR", run);
        command.args(["server", "-s3", "-s3.config=identities.json", "-s3.iam=false", "-dir=data"]);
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-volume.preStopSeconds=0"]);
        command.args(["-volume.max=100000", "-volume.minFreeSpace=1", "-master.volumeSizeLimitMB=1024"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]);
        command.arg(format!("-master.port={master}")).arg(format!("-master.port.grpc={master_grpc}"));
        command.arg(format!("-volume.port={volume}")).arg(format!("-volume.port.grpc={volume_grpc}"));
        command.arg(format!("-filer.port={filer}")).arg(format!("-filer.port.grpc={filer_grpc}"));
        command.arg(format!("-s3.port={s3}")).arg(format!("-s3.port.grpc={s3_grpc}"));
        command.arg(format!("-s3.port.https={https}"));
        command.arg(format!("-s3.cert.file={}", certificates.certificate.display()));
        command.arg(format!("-s3.key.file={}", certificates.key.display()));
        command.arg(format!("-filer.localSocket={}", run.join("filer.sock").display()));
        command.arg(format!("-s3.localSocket={}", run.join("s3.sock").display()));
        (command, State { s3_port: s3, https_port: https, filer_port: filer })
    }

    fn is_ready(&self, _: &Path, state: &State) -> bool {
        // S3 is the last to start, and refuses who does not sign.
        request(state.s3_port, "GET", "/").is_some_and(|status| status == 403)
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    /// The first object needs a volume, which can be had a moment after the ports answer.
    fn furnish(&self, _: &Path, state: &State) {
        let began = std::time::Instant::now();
        while request(state.filer_port, "POST", "/ready/probe") != Some(201) {
            assert!(began.elapsed() < PATIENCE, "SeaweedFS gives no volume");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn identities() -> String {
    let list: Vec<_> = Identity::KNOWN
        .map(|identity| {
            serde_json::json!({
                "name": format!("{identity:?}").to_lowercase(),
                "credentials": [{ "accessKey": identity.access_key(), "secretKey": identity.secret_key() }],
                "actions": identity.actions(),
            })
        })
        .into();
    serde_json::json!({ "identities": list }).to_string()
}

/// SeaweedFS puts these outside every folder it is given, and leaves them there.
fn sockets(ports: &[u16]) -> String {
    let names = ["master-grpc", "volume-grpc", "filer-grpc", "s3-grpc", "s3", "filer"];
    let paths =
        names.iter().flat_map(|name| ports.iter().map(move |port| format!("/tmp/seaweedfs-{name}-{port}.sock\n")));
    paths.collect()
}

/// Through the filer: a bucket is a folder there, and this needs no signature.
fn make_bucket(filer_port: u16, name: &str) {
    let status = request(filer_port, "POST", &format!("/buckets/{name}/"));
    assert_eq!(status, Some(201), "create the bucket {name}");
}

/// The status of a request with a tiny form as body; none when nothing answers.
fn request(port: u16, method: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    // With a body it makes a file, without one a folder.
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"probe\"\r\n\r\nx\r\n--b--\r\n";
    let (kind, body) =
        if path.ends_with('/') { ("", "") } else { ("Content-Type: multipart/form-data; boundary=b\r\n", form) };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}
