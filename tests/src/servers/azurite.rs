//! Azure's Blob Storage as Azurite plays it, with keys that are signed and looked at.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use serde::{Deserialize, Serialize};

use crate::guard::{self, Guarded, Service};
use crate::scratch;
use crate::servers::installation::in_venv;

/// A running server with one container, shared by all tests: take a prefix.
#[derive(Debug)]
pub struct Azurite {
    guarded: Guarded<State>,
}

/// The container that is there.
pub const CONTAINER: &str = "backups";

#[derive(Debug, Serialize, Deserialize)]
struct State {
    port: u16,
}

struct Program;

impl Azurite {
    /// The server that all tests share.
    pub fn shared() -> &'static Azurite {
        static SERVER: OnceLock<Azurite> = OnceLock::new();
        SERVER.get_or_init(|| Azurite { guarded: guard::shared("azurite", &Program) })
    }

    /// Its port, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.guarded.state.port
    }

    /// The variables that lead a client to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        Azurite::behind(&format!("http://127.0.0.1:{}", self.port()))
    }

    /// The variables that lead a client to what stands before it.
    pub fn behind(endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_STORAGE_ENDPOINT", format!("{endpoint}/{ACCOUNT}")),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", Azurite::account_key()),
        ]
    }

    /// The same for who has no key of the account, and a token.
    pub fn by_token(&self, token: &str) -> Vec<(&'static str, String)> {
        let mut variables = self.environment();
        variables.retain(|(name, _)| *name != "AZURE_STORAGE_ACCOUNT_KEY");
        variables.push(("AZURE_STORAGE_SAS_TOKEN", token.to_owned()));
        variables
    }

    /// A token for the container: what it allows, in Azure's letters and their order, and until when.
    pub fn token(permissions: &str, expiry: &str) -> String {
        let place = format!("/blob/{ACCOUNT}/{CONTAINER}");
        // Not given: a start, a stored policy, addresses, protocols; a snapshot, a scope, and five headers of answers.
        let text = format!("{permissions}\n\n{expiry}\n{place}\n\n\n\n{TOKEN_VERSION}\nc\n\n\n\n\n\n\n");
        let signature = signed(&text).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("sv={TOKEN_VERSION}&sr=c&sp={permissions}&se={expiry}&sig={signature}")
    }

    /// The account's key, unlike anything else, so that it can be looked for.
    pub fn account_key() -> String {
        STANDARD.encode("canary-azure-6f1d0b7a")
    }
}

impl Service for Program {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let port = scratch::free_port();
        fs::create_dir_all(run.join("data")).unwrap();
        let mut command = Command::new("node");
        command.arg(in_venv("node_modules/azurite/dist/src/blob/main.js")).arg("--location").arg(run.join("data"));
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent", "--disableTelemetry"]);
        command.current_dir(run).env("HOME", run).env("TMPDIR", run);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", Azurite::account_key()));
        (command, State { port })
    }

    fn is_ready(&self, _: &Path, state: &State) -> bool {
        matches!(make_container(state.port, CONTAINER), Some(201 | 409))
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn furnish(&self, _: &Path, state: &State) {
        // It is there: readiness was asked so.
        assert_eq!(make_container(state.port, CONTAINER), Some(409), "create the container");
    }
}

/// The status of the answer; none when nothing answers.
fn make_container(port: u16, name: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let path = format!("/{ACCOUNT}/{name}?restype=container");
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = format!("http://127.0.0.1:{port}{path}").parse().unwrap();
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(&Azurite::account_key()).unwrap());
    AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request).unwrap();
    let header = |(name, value): (_, &_)| format!("{name}: {}\r\n", AsRef::<[u8]>::as_ref(value).escape_ascii());
    let headers: String = request.headers().iter().map(header).collect();
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// HMAC-SHA-256 by the account's key, as another program than ours makes it.
fn signed(text: &str) -> String {
    let script = "process.stdout.write(require('crypto').createHmac('sha256', Buffer.from(process.env.KEY, 'base64'))\
                  .update(process.env.TEXT).digest('base64'))";
    let node = Command::new("node").args(["-e", script]).env("KEY", Azurite::account_key()).env("TEXT", text).output();
    let node = node.expect("run node");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    String::from_utf8(node.stdout).unwrap()
}

const TOKEN_VERSION: &str = "2022-11-02";
const ACCOUNT: &str = "lifeboat";
