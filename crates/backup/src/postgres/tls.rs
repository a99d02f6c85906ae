//! TLS with rustls, checking of the server's certificate what `sslmode` asks for.
//!
//! The crypto provider is passed explicitly: a library sets no process-wide default.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::ssl::{SslMode, SslRoot, SslSettings};

/// The connector for these settings. Reads the certificate files; where TLS is not wanted it reads none.
///
/// # Errors
/// [`Kind::Config`] for a file that cannot be read or holds nothing usable.
pub(super) fn connector(ssl: &SslSettings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trust = match &ssl.root {
        Some(root) if ssl.mode >= SslMode::Require => Some(Trust::new(root, ssl.mode)?),
        _ => None,
    };
    let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .kind_of(Kind::Failure, || "prepare TLS".to_owned())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &ssl.client {
        Some((certificate, key)) if ssl.mode != SslMode::Disable => builder
            .with_client_auth_cert(read_certificates(certificate)?, read_key(key)?)
            .kind_of(Kind::Config, || format!("use the client certificate {}", certificate.display()))?,
        _ => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The root certificates to trust.
///
/// # Errors
/// [`Kind::Config`] when there are none.
pub(super) fn roots(root: &SslRoot) -> Result<Vec<CertificateDer<'static>>> {
    let SslRoot::File(file) = root else { return system_roots() };
    read_certificates(file)
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let error = Error::new(Kind::Config, "find the certificates that this host trusts")
        .hint("install the package ca-certificates, or set sslrootcert to a PEM file");
    Err(match found.errors.into_iter().next() {
        Some(cause) => error.caused_by(cause),
        None => error,
    })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("read the certificates in {}", file.display());
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).kind_of(Kind::Config, doing)?;
    if certificates.is_empty() {
        return Err(Error::new(Kind::Config, doing()).caused_by("there is none in the file"));
    }
    Ok(certificates)
}

/// Refuses a key that others can read, as libpq does; root may share one with a group.
fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let doing = || format!("read the private key {}", file.display());
    let metadata = std::fs::metadata(file).kind_of(Kind::Config, doing)?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(Error::new(Kind::Config, doing()).caused_by("others can read it").hint("chmod 0600 the key file"));
    }
    PrivateKeyDer::from_pem_file(file).kind_of(Kind::Config, doing)
}

/// Trusts what a root certificate has signed, or a root itself: a server's self-signed certificate is often its own
/// root, and OpenSSL takes it.
#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    exact: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

impl Trust {
    fn new(root: &SslRoot, mode: SslMode) -> Result<Self> {
        let exact = roots(root)?;
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(exact.iter().cloned());
        if usable == 0 {
            return Err(Error::new(Kind::Config, "use the root certificates").caused_by("none of them can be read"));
        }
        Ok(Self { roots: store, exact, checks_name: mode == SslMode::VerifyFull })
    }

    fn check_chain(
        &self,
        certificate: &ParsedCertificate<'_>,
        encoded: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), rustls::Error> {
        match verify_server_cert_signed_by_trust_anchor(certificate, &self.roots, intermediates, now, algorithms.all) {
            // The dates were checked before this was found.
            Err(error) if is_authority(&error) && self.exact.iter().any(|root| root == encoded) => Ok(()),
            result => result,
        }
    }
}

/// Whether the only objection is that a server shows the certificate of an authority.
fn is_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if other.0.to_string() == "CaUsedAsEndEntity")
}

/// Without trust every server is accepted, for the modes that ask for encryption alone. The handshake's signature is not
/// checked then either: it would prove that the peer owns a certificate that proves nothing.
#[derive(Debug)]
struct Verifier {
    trust: Option<Trust>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trust) = &self.trust {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            trust.check_chain(&certificate, end_entity, intermediates, now, &self.algorithms)?;
            if trust.checks_name {
                verify_server_name(&certificate, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            Some(_) => verify_tls12_signature(message, certificate, signature, &self.algorithms),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            Some(_) => verify_tls13_signature(message, certificate, signature, &self.algorithms),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
