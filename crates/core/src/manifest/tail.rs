//! The last lines of a manifest: what proves the lines before them.
//!
//! They are written and read by their bytes, not as JSON: each covers every byte before its own comma.

use crate::codec::Sha256;
use crate::error::{Error, Kind, Result};
use crate::keys::Signature;

/// What a manifest ends with.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// How many bytes it covers, and the MAC.
    pub(super) mac: Option<(usize, [u8; 64])>,
    /// How many bytes it covers, and the signature.
    pub(super) signature: Option<(usize, Signature)>,
}

pub(super) fn push_mac(bytes: &mut Vec<u8>, mac: &[u8; 64]) {
    push(bytes, MAC, &hex::encode(mac));
}

pub(super) fn push_signature(bytes: &mut Vec<u8>, signature: &Signature) {
    push(bytes, SIGNATURE, &signature.to_string());
}

/// Whether a field is one of these.
pub(super) fn is_field(name: &str) -> bool {
    [MAC, SIGNATURE, DIGEST].contains(&name)
}

/// The digest, and the end of the document.
pub(super) fn push_digest(bytes: &mut Vec<u8>) {
    let digest = Sha256::of(bytes);
    push(bytes, DIGEST, &digest.to_string());
    bytes.extend_from_slice(END);
}

/// Reads what a document ends with, after its digest was compared.
pub(super) fn read(bytes: &[u8]) -> Result<Tail> {
    let damaged = || Error::new(Kind::Integrity, "the manifest does not match its own digest");
    let rest = bytes.strip_suffix(END).ok_or_else(damaged)?;
    let (body, digest) = line(rest, DIGEST, DIGEST_DIGITS).ok_or_else(damaged)?;
    if digest != Sha256::of(body).to_string() {
        return Err(damaged());
    }
    let (body, signature) = match line(body, SIGNATURE, SIGNATURE_DIGITS) {
        Some((covered, text)) => (covered, Some((covered.len(), text.parse()?))),
        None => (body, None),
    };
    let mac = match line(body, MAC, MAC_DIGITS) {
        Some((covered, digits)) => {
            let mut mac = [0; 64];
            hex::decode_to_slice(digits, &mut mac).map_err(|_| damaged())?;
            if hex::encode(mac) != digits {
                return Err(damaged());
            }
            Some((covered.len(), mac))
        }
        None => None,
    };
    Ok(Tail { mac, signature })
}

fn push(bytes: &mut Vec<u8>, key: &str, value: &str) {
    bytes.extend_from_slice(format!(",\n  \"{key}\": \"{value}\"").as_bytes());
}

/// The last line, if it is the one with this key, and what it covers.
fn line<'a>(bytes: &'a [u8], key: &str, digits: usize) -> Option<(&'a [u8], &'a str)> {
    let rest = bytes.strip_suffix(b"\"")?;
    let (rest, value) = rest.split_at(rest.len().checked_sub(digits)?);
    let covered = rest.strip_suffix(format!(",\n  \"{key}\": \"").as_bytes())?;
    Some((covered, std::str::from_utf8(value).ok()?))
}

const MAC: &str = "mac";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "sha256";
const END: &[u8] = b"\n}\n";
const MAC_DIGITS: usize = 128;
const SIGNATURE_DIGITS: usize = 16 + 1 + 128;
const DIGEST_DIGITS: usize = 64;
