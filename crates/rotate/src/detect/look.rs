//! What values look like that did not open.

use std::collections::BTreeSet;

use super::texts::decode;

/// Why these values of a column look encrypted, in words; nothing when they do not.
pub(super) fn looks_encrypted(column: &str, cells: &[&[u8]]) -> Option<&'static str> {
    let cells: Vec<&[u8]> = cells.iter().copied().filter(|cell| !cell.is_empty()).collect();
    let most = |test: &dyn Fn(&[u8]) -> bool| {
        !cells.is_empty() && cells.iter().filter(|cell| test(cell)).count() * 2 >= cells.len()
    };
    if let Some((_, what)) = MARKS.iter().find(|(mark, _)| most(&|cell| contains(cell, mark))) {
        return Some(what);
    }
    if most(&is_known_otherwise) || is_digest(column, &cells) {
        return None;
    }
    most(&|cell| payload(cell).is_some_and(|bytes| is_random(&bytes)))
        .then_some("random bytes, as long as IV and tag at least")
}

/// The longest part of the value that decodes to bytes, after prefixes and between separators.
fn payload(cell: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = str::from_utf8(cell) else { return Some(cell.to_vec()).filter(|bytes| bytes.len() >= LEAST) };
    if text.contains(char::is_whitespace) {
        return None;
    }
    let parts = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "+/=_-".contains(letter)));
    let decoded: Vec<u8> = parts
        .filter_map(|part| ["hex", "base64", "base64url"].into_iter().find_map(|codec| decode(part, codec)))
        .flatten()
        .collect();
    Some(decoded).filter(|bytes| bytes.len() >= LEAST)
}

/// Of random bytes, 37 in 100 are printable; of text, all but a few.
fn is_random(bytes: &[u8]) -> bool {
    let printable = bytes.iter().filter(|byte| (0x20..0x7f).contains(*byte)).count();
    let different: BTreeSet<u8> = bytes.iter().copied().collect();
    printable * 100 < bytes.len() * 65 && different.len() * 2 > bytes.len().min(256) && !has_magic(bytes)
}

fn has_magic(bytes: &[u8]) -> bool {
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}

/// Hashes of passwords, signed tokens, certificates: nobody can rotate these.
fn is_known_otherwise(cell: &[u8]) -> bool {
    OTHERWISE.iter().any(|start| cell.starts_with(start.as_bytes())) || has_magic(cell)
}

/// A digest has always the same length, one of a few; unless the name says otherwise it is taken for one.
fn is_digest(column: &str, cells: &[&[u8]]) -> bool {
    let name = column.to_ascii_lowercase();
    let lengths: BTreeSet<usize> = cells.iter().map(|cell| payload(cell).map_or(0, |bytes| bytes.len())).collect();
    let same = lengths.len() == 1 && lengths.iter().all(|length| DIGESTS.contains(length));
    same && !NAMES.iter().any(|part| name.contains(part))
}

fn contains(cell: &[u8], mark: &str) -> bool {
    cell.len() <= 1 << 16 && cell.windows(mark.len()).any(|window| window == mark.as_bytes())
}

const LEAST: usize = 28;
const DIGESTS: [usize; 6] = [28, 32, 40, 48, 64, 128];
const NAMES: [&str; 5] = ["enc", "crypt", "cipher", "secret", "private"];
/// Texts that say what they are.
const MARKS: [(&str, &str); 6] = [
    ("gAAAAA", "Fernet tokens, which are AES-128-CBC: not AES-256-GCM"),
    ("vault:v", "ciphertexts of Vault's transit engine, which rotates them itself"),
    ("-----BEGIN PGP MESSAGE", "PGP messages"),
    ("age-encryption.org/v1", "age files"),
    ("-----BEGIN AGE ENCRYPTED", "age files"),
    ("\"ciphertext\"", "JSON with a ciphertext"),
];
const OTHERWISE: [&str; 12] = [
    "$2a$",
    "$2b$",
    "$2y$",
    "$argon2",
    "$scrypt$",
    "$pbkdf2",
    "pbkdf2_",
    "eyJ",
    "-----BEGIN",
    "ssh-",
    "SCRAM-SHA",
    "{SSHA",
];
const MAGIC: [&[u8]; 8] =
    [b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"PK\x03\x04", b"%PDF", b"\x28\xb5\x2f\xfd", b"GIF8", b"RIFF"];

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::looks_encrypted;

    fn digests(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|n| Sha256::digest([n]).to_vec()).collect()
    }

    fn looks(column: &str, cells: &[String]) -> Option<&'static str> {
        looks_encrypted(column, &cells.iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn random_bytes_look_encrypted_and_digests_names_and_hashes_do_not() {
        let random: Vec<_> =
            digests(9).chunks(3).enumerate().map(|(n, three)| hex::encode(&three.concat()[n..])).collect();
        assert!(looks("token", &random).is_some());
        let digests: Vec<_> = digests(5).iter().map(hex::encode).collect();
        assert_eq!(looks("row_hash", &digests), None);
        assert!(looks("value_encrypted", &digests).is_some(), "its name says otherwise");
        for text in ["Ada Lovelace, Countess of Lovelace, London", "https://example.org/a/long/path/to/somewhere.html"]
        {
            assert_eq!(looks("name", &[text.to_owned()]), None, "{text}");
        }
        let bcrypt = "$2b$12$WApznUPhDubN0oeveSXHp.Rk0rMOwLMCZwXvrQjPtYsVDkRO2Wm6K";
        assert_eq!(looks("password_encrypted", &[bcrypt.to_owned()]), None);
    }

    #[test]
    fn what_says_what_it_is_is_told() {
        let fernet = "enc:v2:0011:gAAAAABlY2hvIHRoaXMgaXMgbm90IGEgcmVhbCB0b2tlbg==".to_owned();
        assert!(looks("oidc_client_secret", &[fernet]).unwrap().starts_with("Fernet"));
    }
}
