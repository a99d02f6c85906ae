//! What the fuzz targets do with an input: each decoder of what lies in a store, and what must hold whatever it says.
//!
//! An input is put where a mutation of it can still reach the decoder: behind the digest, the compression or the
//! commitment that would refuse it first. It is decoded as it is too.

#![allow(dead_code, clippy::unwrap_used, reason = "each target uses one entry; what fails here is a finding")]

use std::ops::Range;

use bytes::Bytes;
use lifeboat_core::codec::sealed::{self, HEADER_BYTES, Opener, RangeOpener, Sealer, message_length};
use lifeboat_core::codec::{Compression, Decompressor, Members, Sha256, decompress};
use lifeboat_core::index::Index;
use lifeboat_core::keys::{DataKey, KeyId, OpenKeys, Secret, Wrap, WrapCipher};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::{Kind, Result};

/// The key, context and salt under which the corpus's bodies were sealed.
pub(crate) const KEY: [u8; 32] = [0x11; 32];
pub(crate) const CONTEXT: &[u8] = b"corpus";
pub(crate) const SALT: [u8; 24] = [0x22; 24];

/// Whom the corpus's wraps belong to.
pub(crate) const OWNER: &str = "20261121T021700Z-7f3a9c";

/// Chunks behind a header that is right; the first byte says how they are sliced. What opens is what was sealed, whole, in
/// slices and by range.
pub(crate) fn body(data: &[u8]) {
    let Some((&slice, chunks)) = data.split_first() else {
        return;
    };
    let _ = sealed::open(&KEY, CONTEXT, chunks);
    let header = Sealer::new(&KEY, CONTEXT, SALT).header().clone();
    let stored = [&header.to_bytes()[..], chunks].concat();
    let whole = sealed::open(&KEY, CONTEXT, &stored);

    let mut opener = Opener::new(&KEY, CONTEXT, &header).unwrap();
    let mut sliced = Vec::new();
    let pushed = stored.chunks(1 + usize::from(slice) * 79).try_for_each(|piece| opener.push(piece, &mut sliced));
    let finished = pushed.and_then(|()| opener.finish(&mut sliced));
    assert_eq!(whole.is_ok(), finished.is_ok(), "slices make a difference");

    if let Ok(length) = message_length(stored.len() as u64) {
        let middle = length / 256 * u64::from(slice);
        let ranged = range(&stored, 0..middle).and_then(|mut head| {
            head.extend(range(&stored, middle..length)?);
            Ok(head)
        });
        // Of a message that is empty there is nothing to open by range.
        assert!(length == 0 || whole.is_ok() == ranged.is_ok(), "ranges make a difference");
    }
    if let Ok(message) = whole {
        assert_eq!(message, sliced);
        assert!(sealed::seal(&KEY, CONTEXT, SALT, &message) == stored, "what opens was sealed so");
    }
}

fn range(stored: &[u8], message: Range<u64>) -> Result<Vec<u8>> {
    let header = sealed::Header::from_bytes(stored[..HEADER_BYTES].try_into().unwrap());
    let mut opener = RangeOpener::new(&KEY, CONTEXT, &header, stored.len() as u64, message.clone())?;
    let Range { start, end } = opener.stored();
    let mut out = Vec::new();
    opener.push(&stored[start as usize..end as usize], &mut out)?;
    opener.finish(&mut out)?;
    assert_eq!(out.len() as u64, message.end - message.start);
    Ok(out)
}

/// A document up to the comma before its digest. One that is accepted is refused when it is cut, continued or, without
/// its key, to be proven.
pub(crate) fn manifest(data: &[u8]) {
    let _ = StoredManifest::parse(Bytes::copy_from_slice(data));
    let mut bytes = data.to_vec();
    bytes.extend_from_slice(format!(",\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(data)).as_bytes());
    let Ok(stored) = StoredManifest::parse(Bytes::from(bytes.clone())) else {
        return;
    };
    assert!(StoredManifest::parse(Bytes::copy_from_slice(&bytes[..bytes.len() - 1])).is_err());
    assert!(StoredManifest::parse(Bytes::from([&bytes[..], b"\n"].concat())).is_err());
    let required = OpenKeys { required: true, ..OpenKeys::default() };
    assert!(stored.manifest.is_encrypted() || stored.judge(&required, "a backup").is_err());
    assert!(stored.check_mac(&DataKey::from_secret(Secret::copied(&[0x33; 32]))).is_err());
    // What is written anew is accepted and says the same.
    if !stored.manifest.is_encrypted() {
        let again = StoredManifest::parse(Bytes::from(stored.manifest.to_bytes(None, None))).unwrap();
        assert_eq!(again.manifest, stored.manifest);
    }
}

/// Frames of zstd. What is read of them must not depend on where they are cut.
pub(crate) fn frames(data: &[u8]) {
    let whole = decompress(Compression::Zstd, data);
    let mut decompressor = Decompressor::new(Compression::Zstd);
    let (mut sql, mut failed) = (Vec::new(), None);
    for mut slice in data.chunks(7) {
        while !slice.is_empty() && failed.is_none() {
            match decompressor.push(&mut slice) {
                Ok(more) => sql.extend(more),
                Err(error) => failed = Some(error),
            }
        }
    }
    let sliced = failed.map_or_else(|| decompressor.finish().map(|rest| [sql, rest].concat()), Err);
    match (whole, sliced) {
        (Ok(whole), Ok(sliced)) => assert!(whole == sliced, "slices make a difference"),
        (Err(whole), Err(sliced)) => assert_eq!((whole.kind(), sliced.kind()), (Kind::Integrity, Kind::Integrity)),
        _ => panic!("slices make a difference"),
    }
}

/// An index as JSON.
pub(crate) fn index(data: &[u8]) {
    let _ = Index::parse(data);
    let mut members = Members::new(Compression::Gzip);
    members.write(data).unwrap();
    members.end_member().unwrap();
    if let Err(error) = Index::parse(members.output()) {
        assert!(matches!(error.kind(), Kind::Integrity | Kind::Config), "{error}");
    }
}

/// A wrap of [`OWNER`] under the key `2026-11`.
pub(crate) fn wrap(data: &[u8]) {
    let key = KeyId::symmetric("2026-11").unwrap();
    assert!(Wrap::parse(data, "20261121T021700Z-000000", &key).is_err(), "it is another's");
    let Ok(wrap) = Wrap::parse(data, OWNER, &key) else {
        return;
    };
    assert!(Wrap::parse(data, OWNER, &KeyId::symmetric("2026-12").unwrap()).is_err(), "it is another key's");
    // Fields that this release does not know may hold what JSON does not give back as it was.
    if !matches!(wrap.cipher, WrapCipher::Other { .. }) {
        let bytes = wrap.to_bytes();
        assert_eq!(Wrap::parse(&bytes, OWNER, &key).unwrap().to_bytes(), bytes);
    }
}
