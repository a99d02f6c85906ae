//! Servers that speak S3 in their own ways: `rclone serve s3` and `s3s-fs` over a folder, and moto, which plays Amazon in memory.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guard::{self, Guarded, Service};
use crate::inventory::Bucket;
use crate::scratch;
use crate::servers::installation::in_venv;
use crate::servers::seaweed::Identity;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `rclone serve s3`, as operators put it before a NAS.
    Rclone,
    /// `moto_server`, which looks at no signature.
    Moto,
    /// `s3s-fs`, the example of a Rust library that servers are made of.
    S3s,
}

/// A running server with one bucket, shared by all tests: take a prefix.
#[derive(Debug)]
pub struct Lookalike {
    guarded: Guarded<State>,
}

/// The bucket that is there.
pub const BUCKET: &str = "backups";

struct Program(Kind);

#[derive(Debug, Serialize, Deserialize)]
struct State {
    port: u16,
}

impl Lookalike {
    /// The server that all tests share.
    pub fn shared(kind: Kind) -> &'static Lookalike {
        static RCLONE: OnceLock<Lookalike> = OnceLock::new();
        static MOTO: OnceLock<Lookalike> = OnceLock::new();
        static S3S: OnceLock<Lookalike> = OnceLock::new();
        match kind {
            Kind::Rclone => RCLONE.get_or_init(|| Lookalike { guarded: guard::shared("rclone", &Program(kind)) }),
            Kind::Moto => MOTO.get_or_init(|| Lookalike { guarded: guard::shared("moto", &Program(kind)) }),
            Kind::S3s => S3S.get_or_init(|| Lookalike { guarded: guard::shared("s3s-fs", &Program(kind)) }),
        }
    }

    /// The port of the S3 API, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.guarded.state.port
    }

    /// A bucket of moto's that nobody else uses: it looks through all of one for some answers, and stumbles over what others write.
    pub fn bucket(&self) -> String {
        // Letters and digits: a client of Google's encodes everything else, and moto looks for such a bucket by that.
        let name = format!("own{:x}", scratch::unique());
        assert_eq!(request(self.port(), &format!("PUT /{name}")), Some(200), "create the bucket");
        name
    }

    /// The same bucket, to look into.
    pub fn seen(&self, bucket: String) -> Bucket {
        Bucket::new(self.endpoint(), bucket)
    }

    /// The variables that lead a client of Google's to it, with a token that is looked at by nobody.
    pub fn as_google(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GOOGLE_BASE_URL", self.endpoint()),
            ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
            ("GOOGLE_BEARER_TOKEN", "canary-google-40b1f2e6".to_owned()),
        ]
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The variables that lead a client to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        Identity::Admin.environment(&self.endpoint())
    }
}

impl Service for Program {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let port = scratch::free_port();
        let mut command;
        match self.0 {
            Kind::Rclone => {
                fs::create_dir_all(run.join("data").join(BUCKET)).unwrap();
                fs::write(run.join("rclone.conf"), "").unwrap();
                let key = format!("{},{}", Identity::Admin.access_key(), Identity::Admin.secret_key());
                command = Command::new(in_venv("bin/rclone"));
                command.args(["serve", "s3", "--addr", &format!("127.0.0.1:{port}")]).arg(run.join("data"));
                command.args(["--auth-key", &key]).env("RCLONE_CONFIG", run.join("rclone.conf"));
                command.env("RCLONE_CACHE_DIR", run.join("cache"));
            }
            Kind::Moto => {
                command = Command::new(in_venv("bin/moto_server"));
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            }
            Kind::S3s => {
                fs::create_dir_all(run.join("data").join(BUCKET)).unwrap();
                command = Command::new(in_venv("bin/s3s-fs"));
                command.args(["--host", "127.0.0.1", "--port", &port.to_string()]).arg(run.join("data"));
                command.args(["--access-key", Identity::Admin.access_key()]);
                command.args(["--secret-key", Identity::Admin.secret_key()]);
            }
        }
        command.current_dir(run).env("HOME", run).env("TMPDIR", run);
        (command, State { port })
    }

    fn is_ready(&self, _: &Path, state: &State) -> bool {
        request(state.port, "GET /").is_some()
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn furnish(&self, _: &Path, state: &State) {
        if self.0 == Kind::Moto {
            assert_eq!(request(state.port, &format!("PUT /{BUCKET}")), Some(200), "create the bucket");
        }
    }
}

/// The status of a request without a body; none when nothing answers.
fn request(port: u16, line: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}
