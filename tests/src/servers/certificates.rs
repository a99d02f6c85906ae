//! A certificate authority of our own, and a server certificate for `localhost` only.
//!
//! So that `verify-full` succeeds for `localhost`, fails for `127.0.0.1`, and everything fails against
//! [`Certificates::stranger`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch;

/// A role that a server with TLS lets in by its certificate alone; a test creates it.
pub const CERTIFIED: &str = "certified";

/// Paths of PEM files.
#[derive(Debug)]
pub struct Certificates {
    /// The authority that signed the server's certificate.
    pub authority: PathBuf,
    /// Another authority, which signed nothing.
    pub stranger: PathBuf,
    /// The server's certificate, for the name `localhost`.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
    /// The certificate of the role [`CERTIFIED`], and its private key.
    pub client: (PathBuf, PathBuf),
}

impl Certificates {
    /// The certificates of this checkout, made by `openssl` when first asked for and valid for ten years.
    pub fn of_this_checkout() -> Certificates {
        let folder = scratch::once("certificates-3", |draft| {
            authority(draft, "authority");
            authority(draft, "stranger");
            server(draft);
            client(draft);
        });
        Certificates {
            authority: folder.join("authority.pem"),
            stranger: folder.join("stranger.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            client: (folder.join("client.pem"), folder.join("client.key")),
        }
    }
}

fn authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=lifeboat-{name} -keyout {name}.key -out {name}.pem"
        ),
    );
}

fn server(folder: &Path) {
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
    );
    fs::write(folder.join("server.ext"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(
        folder,
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem",
    );
}

fn client(folder: &Path) {
    openssl(
        folder,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={CERTIFIED} -keyout client.key -out client.csr"
        ),
    );
    fs::write(folder.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    openssl(
        folder,
        "x509 -req -in client.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 3650 -extfile client.ext -out client.pem",
    );
}

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("run openssl");
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}
