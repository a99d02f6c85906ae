//! What `recover.py` refuses, before it prints anything of the dump.

use lifeboat_core::codec::{Compression, Sha256};
use lifeboat_core::keys::{DataKey, Keyring};

use crate::archive::{Archive, KEYRING, compressed, gzip, gzip_of_length, keyring};

const DUMP: &str = "dump-0000.sql.gz.sealed";

/// One object of three whole chunks and a bit.
fn long() -> Archive {
    Archive::sealed_gzip(&[gzip_of_length(3 * 16384 + 5).1])
}

fn keyring_of(id: &str, secret: &str) -> String {
    format!("[[key]]\nid = \"{id}\"\nkind = \"aes256\"\nsecret = \"{secret}\"\n")
}

#[test]
fn another_key_of_the_same_id() {
    let other = keyring_of("hex", &"5a".repeat(32));
    long().recover_with(&other, &[]).expect_refusal("hex is another key than the one of keys/hex.json");
}

#[test]
fn a_keyring_without_a_key_that_opens_it() {
    let archive = long().wrapped_under("base64");
    archive.recover_with(&keyring_of("2026-12", &"5a".repeat(32)), &[]).expect_refusal("opens it: base64, hex would");
    let archive = archive.not_wrapped_under("base64").not_wrapped_under("hex");
    archive.recover(&[]).expect_refusal("opens it: nothing would");
}

#[test]
fn a_key_of_another_length_says_which_it_has() {
    long()
        .recover_with(&keyring_of("hex", &"5a".repeat(31)), &[])
        .expect_refusal("the key hex of the keyring has 31 bytes");
}

#[test]
fn no_keyring() {
    long().recover_with("", &[]).expect_refusal("the backup is encrypted: say with --keyring");
}

#[test]
fn a_wrap_that_was_cut_or_changed() {
    for id in ["hex", "offline"] {
        let archive = long().not_wrapped_under("hex").wrapped_under(id);
        let path = archive.wrap_path(keyring().key(id).unwrap().public_id().as_str());
        let whole = std::fs::read_to_string(&path).unwrap();
        let digit = whole.find("\"wrapped\": \"").unwrap() + 12;
        let flipped = if whole.as_bytes()[digit] == b'0' { "1" } else { "0" };
        let mut changed = whole.clone();
        changed.replace_range(digit..=digit, flipped);
        for damaged in [&whole[..whole.len() / 2], "", &changed, &whole.replace("wrapped", "other")] {
            std::fs::write(&path, damaged).unwrap();
            archive.recover(&[]).expect_refusal("or that file is damaged");
        }
    }
}

#[test]
fn a_wrap_of_another_backup() {
    for id in ["hex", "offline"] {
        let (mut other, archive) = (long().not_wrapped_under("hex"), long().not_wrapped_under("hex"));
        other.manifest.id = "20261122T021700Z-7f3a9c".parse().unwrap();
        let path = keyring().key(id).unwrap().public_id().to_string();
        std::fs::copy(other.wrapped_under(id).wrap_path(&path), archive.wrap_path(&path)).unwrap();
        archive.recover(&[]).expect_refusal("or that file is damaged or another backup's");
    }
}

/// Whoever has the recipient can wrap any data key for this backup.
#[test]
fn a_data_key_that_unwraps_but_is_not_the_backups() {
    let archive = long().not_wrapped_under("hex");
    let forged = Archive { key: Some(DataKey::generate().unwrap()), ..long() }.wrapped_under("offline");
    let id = keyring().key("offline").unwrap().public_id().to_string();
    std::fs::copy(forged.wrap_path(&id), archive.wrap_path(&id)).unwrap();
    archive.recover(&[]).expect_refusal("its MAC is not one of the key that opens the backup");
}

#[test]
fn a_backup_by_somebody_else_where_a_signer_is_demanded() {
    let archive = long();
    let ours = keyring().key("signer").unwrap().signer_key().unwrap().to_string();
    archive.recover(&["--signer", &ours]).expect_refusal("the backup is not signed");
    archive.commit_signed();
    let other = Keyring::parse(&KEYRING.replace("9d61b1", "9d61b2"), "another").unwrap();
    let other = other.key("signer").unwrap().signer_key().unwrap().to_string();
    archive.recover(&["--signer", &other]).expect_refusal("did not sign the backup");
    // The line of one manifest under another.
    let signed = std::fs::read_to_string(archive.path("manifest.json")).unwrap();
    let moved = signed.replace("\"shop\"", "\"ship\"");
    std::fs::write(archive.path("manifest.json"), with_digest(&moved)).unwrap();
    archive.recover(&["--signer", &ours]).expect_refusal("did not sign the backup");
}

#[test]
fn an_object_cut_at_every_border_of_a_chunk() {
    let archive = long();
    let whole = std::fs::read(archive.path(DUMP)).unwrap();
    for length in [0, 55, 56, 56 + 16400, 56 + 2 * 16400, 56 + 3 * 16400, whole.len() - 1] {
        std::fs::write(archive.path(DUMP), &whole[..length]).unwrap();
        archive.recover(&[]).expect_refusal(&format!("has {length} bytes; {} were stored", whole.len()));
    }
}

/// The manifest says so too: what the chunks themselves prove.
#[test]
fn an_object_that_is_cut_where_its_owner_says_so() {
    for length in [56, 56 + 15, 56 + 16400, 56 + 2 * 16400, 56 + 3 * 16400 + 20] {
        let mut archive = long();
        archive.damage(DUMP, |bytes| bytes.truncate(length));
        archive.commit_as_stored();
        let recovered = archive.recover(&[]);
        assert_eq!(recovered.code, Some(1));
        assert!(!recovered.stdout.contains("\\endif"));
        recovered.expect_message("is cut or damaged at chunk");
    }
}

#[test]
fn trailing_bytes() {
    let archive = long();
    archive.damage(DUMP, |bytes| bytes.push(0));
    archive.recover(&[]).expect_refusal("were stored");
}

#[test]
fn a_bit_flipped_anywhere_in_an_object() {
    let archive = long();
    let whole = std::fs::read(archive.path(DUMP)).unwrap();
    for at in [0, 24, 56, 56 + 16399, 56 + 16400, whole.len() - 1] {
        archive.damage(DUMP, |bytes| bytes[at] ^= 1);
        archive.recover(&[]).expect_refusal("its SHA-256 is not the manifest's");
        std::fs::write(archive.path(DUMP), &whole).unwrap();
    }
}

#[test]
fn chunks_swapped_and_objects_swapped() {
    let archive = long();
    archive.damage(DUMP, |bytes| bytes[56..56 + 2 * 16400].rotate_left(16400));
    archive.recover(&[]).expect_refusal("its SHA-256 is not the manifest's");
    let archive = Archive::sealed_gzip(&[gzip("SELECT 1;\n"), gzip("SELECT 2;\n")]);
    let [one, two] = ["dump-0000.sql.gz.sealed", "dump-0001.sql.gz.sealed"].map(|name| archive.path(name));
    std::fs::rename(&one, archive.path("aside")).unwrap();
    std::fs::rename(&two, &one).unwrap();
    std::fs::rename(archive.path("aside"), &two).unwrap();
    archive.recover(&[]).expect_refusal("is damaged or another object");
}

/// The same by the owner of the key: what chunks, names and backups are bound by.
#[test]
fn chunks_and_objects_swapped_where_the_owner_says_so() {
    let mut archive = long();
    archive.damage(DUMP, |bytes| bytes[56..56 + 2 * 16400].rotate_left(16400));
    archive.commit_as_stored();
    archive.recover(&[]).expect_refusal("is cut or damaged at chunk 0");
    let mut archive = Archive::sealed_gzip(&[gzip("SELECT 1;\n"), gzip("SELECT 2;\n")]);
    let script = &mut archive.manifest.script;
    script.swap(0, 1);
    (script[0].name, script[1].name) = (script[1].name.clone(), script[0].name.clone());
    for (object, name) in archive.manifest.script.iter().zip(["a", "b"]) {
        std::fs::rename(archive.path(&object.name), archive.path(name)).unwrap();
    }
    for (object, name) in archive.manifest.script.iter().zip(["b", "a"]) {
        std::fs::rename(archive.path(name), archive.path(&object.name)).unwrap();
    }
    archive.commit();
    archive.recover(&[]).expect_refusal("was sealed under another key or another name");
}

#[test]
fn an_object_that_is_missing() {
    let archive = long();
    std::fs::remove_file(archive.path(DUMP)).unwrap();
    archive.recover(&[]).expect_refusal("No such file");
}

#[test]
fn a_later_object_is_damaged_and_nothing_of_the_first_is_printed() {
    let archive = Archive::sealed(&["SELECT 1;\n", "SELECT 2;\n"]);
    archive.damage("dump-0001.sql.gz.sealed", |bytes| bytes[60] ^= 1);
    archive.recover(&[]).expect_refusal("dump-0001.sql.gz.sealed is damaged");
}

#[test]
fn a_gzip_stream_that_is_cut_or_is_none() {
    let whole = gzip("SELECT 1;\n");
    for (gzip, message) in
        [(&whole[..whole.len() - 1], "the compressed stream is cut"), (b"SELECT 1;\n", "incorrect header check")]
    {
        let recovered = Archive::sealed_gzip(&[gzip.to_vec()]).recover(&[]);
        assert_eq!(recovered.code, Some(1));
        assert!(!recovered.stdout.contains("\\endif"));
        recovered.expect_message(message);
    }
}

#[test]
fn a_zstd_stream_that_is_cut_or_is_none() {
    let whole = compressed("SELECT 1;\n", Compression::Zstd);
    for zstd in [&whole[..whole.len() - 1], b"SELECT 1;\n"] {
        let recovered = Archive::sealed_zstd(&[zstd.to_vec()]).recover(&[]);
        assert_eq!(recovered.code, Some(1));
        assert!(!recovered.stdout.contains("\\endif"));
        recovered.expect_message("zstd ended with exit code 1");
    }
}

#[test]
fn a_sealed_zstd_stream_of_which_a_later_chunk_was_changed_by_an_owner_of_the_key() {
    let noise: String = (0..4000_u32).map(|row| Sha256::of(&row.to_le_bytes()).to_string()).collect();
    let mut archive = Archive::sealed_zstd(&[compressed(&noise, Compression::Zstd)]);
    archive.damage("dump-0000.sql.zst.sealed", |bytes| bytes[40_000] ^= 1);
    archive.commit_as_stored();
    let recovered = archive.recover(&[]);
    assert!(!recovered.stdout.contains("\\endif"));
    recovered.expect_message("is cut or damaged at chunk 2");
}

#[test]
fn a_manifest_that_is_cut_continued_or_changed() {
    let archive = long();
    let whole = std::fs::read(archive.path("manifest.json")).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let continued = [&whole[..], b"\n"].concat();
    let changed = text.replace("\"shop\"", "\"ship\"").into_bytes();
    for damaged in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], b"", b"{}\n", &continued, &changed] {
        std::fs::write(archive.path("manifest.json"), damaged).unwrap();
        archive.recover(&[]).expect_refusal("manifest.json is cut, continued or changed");
    }
    // By somebody without the key, who mends the digest.
    for changed in ["\"ship\"", "\"shop\",\n  \"later\": 1"] {
        let changed = text.replace("\"shop\"", changed);
        std::fs::write(archive.path("manifest.json"), with_digest(&changed)).unwrap();
        archive.recover(&[]).expect_refusal("manifest.json was changed or forged");
    }
}

#[test]
fn a_manifest_of_a_newer_format() {
    let mut archive = long();
    archive.manifest.format = 2;
    archive.commit();
    archive.recover(&[]).expect_refusal("reads format 1, compressed with gzip or zstd, only");
}

#[test]
fn a_manifest_that_is_half_encrypted() {
    let mut archive = long();
    archive.manifest.script[0].seal = None;
    archive.commit();
    archive.recover(&[]).expect_refusal("says both that the backup is encrypted and that it is not");
    let archive = long();
    std::fs::write(archive.path("manifest.json"), archive.manifest.to_bytes(None, None)).unwrap();
    archive.recover(&[]).expect_refusal("says both that the backup is encrypted and that it is not");
}

#[test]
fn an_unencrypted_backup_put_where_an_encrypted_one_was() {
    let archive = Archive::plain(&["\\! touch /tmp/owned\n"]);
    archive.recover(&[]).expect_refusal("the backup is not encrypted: anybody may have put it there");
}

#[test]
fn a_manifest_that_names_files_elsewhere() {
    for name in ["../shop.sql.gz", "/etc/passwd", "keys/hex.json"] {
        let mut archive = Archive::plain(&["SELECT 1;\n"]);
        archive.manifest.script[0].name = name.to_owned();
        archive.commit();
        archive.recover_with("", &[]).expect_refusal("as an object");
    }
}

#[test]
fn a_damaged_backup_that_is_not_encrypted() {
    let archive = Archive::plain(&["SELECT 1;\n"]);
    archive.damage("dump-0000.sql.gz", |bytes| _ = bytes.pop());
    archive.recover_with("", &[]).expect_refusal("were stored");
}

/// The document with a digest that fits what stands before it.
fn with_digest(document: &str) -> Vec<u8> {
    let (covered, _) = document.rsplit_once(",\n  \"sha256\": ").unwrap();
    let digest = Sha256::of(covered.as_bytes());
    format!("{covered},\n  \"sha256\": \"{digest}\"\n}}\n").into_bytes()
}
