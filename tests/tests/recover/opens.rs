//! What `recover.py` opens.

use std::process::{Command, Stdio};

use lifeboat_core::codec::Compression;
use lifeboat_tests::recover::recover_py;

use crate::archive::{Archive, END, GLOBALS, HEAD, KEYRING, compressed, gzip, gzip_of_length, keyring};

const SCRIPT: [&str; 3] = ["SET lc_monetary = 'C';\nCREATE TABLE t (a text);\n", "COPY t FROM stdin;\nÄ\n", "\\.\n"];

#[test]
fn a_dump_in_several_objects_comes_back_whole() {
    Archive::sealed(&SCRIPT).recover(&[]).expect_dump(&SCRIPT.concat());
}

#[test]
fn a_dump_of_many_members_comes_back_whole() {
    let rows: String = (0..1_500_000).map(|row| format!("{row}\n")).collect();
    assert!(rows.len() > 8 << 20);
    Archive::sealed(&[&rows, "\\.\n"]).recover(&[]).expect_dump(&(rows + "\\.\n"));
}

#[test]
fn every_length_around_the_borders_of_chunks_comes_back_whole() {
    let around = |chunks: usize| [chunks * 16384 - 1, chunks * 16384, chunks * 16384 + 1];
    let lengths = [1, 2, 4].into_iter().flat_map(around);
    let (texts, mut objects): (Vec<_>, Vec<_>) = lengths.map(gzip_of_length).unzip();
    objects.push(Vec::new());
    Archive::sealed_gzip(&objects).recover(&[]).expect_dump(&texts.concat());
}

#[test]
fn each_kind_of_key_opens_it_by_itself_in_each_encoding() {
    for id in ["hex", "base64", "phrase", "offline"] {
        let mut archive = Archive::sealed(&SCRIPT);
        if id != "hex" {
            archive = archive.wrapped_under(id).not_wrapped_under("hex");
        }
        archive.recover(&[]).expect_dump(&SCRIPT.concat());
    }
}

#[test]
fn one_whole_wrap_is_enough() {
    let archive = Archive::sealed(&SCRIPT).wrapped_under("offline");
    for damaged in ["", "{", "{}", "{\"wrapped\": \"00\", \"nonce\": \"00\"}", "{\"wrapped\": \"xx\"}"] {
        std::fs::write(archive.wrap_path("hex"), damaged).unwrap();
        archive.recover(&[]).expect_dump(&SCRIPT.concat());
    }
}

/// What Python has no reader for, the program zstd reads.
#[test]
fn a_dump_of_zstd_frames_comes_back_whole() {
    let rows: String = (0..1_500_000).map(|row| format!("{row}\n")).collect();
    let script = [SCRIPT[0], SCRIPT[1], &rows, SCRIPT[2]];
    let objects = script.map(|sql| compressed(sql, Compression::Zstd));
    Archive::sealed_zstd(&objects).recover(&[]).expect_dump(&script.concat());
}

#[test]
fn without_the_program_zstd_it_says_what_is_missing() {
    let archive = Archive::sealed_zstd(&[compressed(SCRIPT[0], Compression::Zstd)]);
    archive.recover_alone().expect_refusal("install it");
}

#[test]
fn another_object_is_printed_as_it_is() {
    let archive = Archive::sealed(&SCRIPT);
    for name in ["globals.sql.gz", "globals.sql.gz.sealed"] {
        let recovered = archive.recover(&[name]);
        assert_eq!((recovered.code, recovered.stdout.as_str()), (Some(0), GLOBALS), "{}", recovered.stderr);
    }
    let recovered = archive.recover(&["catalog.json.gz"]);
    assert_eq!(recovered.stdout, "");
    recovered.expect_message("the backup has no catalog.json.gz");
}

#[test]
fn a_backup_that_is_not_encrypted_needs_no_key() {
    Archive::plain(&SCRIPT).recover_with("", &[]).expect_dump(&SCRIPT.concat());
}

#[test]
fn the_list_needs_no_key_and_names_those_that_open_it() {
    let archive = Archive::sealed(&SCRIPT).wrapped_under("offline");
    let listed = archive.recover_with("", &["--list"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let offline = keyring().key("offline").unwrap().public_id().to_string();
    let objects = ["dump-0000.sql.gz.sealed", "dump-0002.sql.gz.sealed", "globals.sql.gz.sealed"];
    for shown in ["shop/20261121T021700Z-7f3a9c", "hex", &offline].into_iter().chain(objects) {
        assert!(listed.stdout.contains(shown), "{shown} in {}", listed.stdout);
    }
    assert!(Archive::plain(&SCRIPT).recover_with("", &["--list"]).stdout.contains("not encrypted"));
}

#[test]
fn a_trusted_signature_is_accepted() {
    let archive = Archive::sealed(&SCRIPT);
    archive.commit_signed();
    let signer = keyring().key("signer").unwrap().signer_key().unwrap().to_string();
    archive.recover(&["--signer", &signer]).expect_dump(&SCRIPT.concat());
    archive.recover(&[]).expect_dump(&SCRIPT.concat());
}

#[test]
fn memory_does_not_grow_with_the_dump() {
    let row = format!("{}\n", "0123456789abcdef".repeat(1 << 16));
    let sql = row.repeat(200);
    let (_, stored) = gzip_of_length(1 << 18);
    let archive = Archive::sealed_gzip(&[gzip(&sql), stored.repeat(256)]);
    let keyring = archive.path("keyring.toml");
    std::fs::write(&keyring, KEYRING).unwrap();
    let mut command = Command::new("sh");
    // In kilobytes: Python with its libraries takes a third of it, the dump has 264 MiB.
    command.args(["-c", "ulimit -v 120000; exec \"$@\"", "sh"]);
    let python = recover_py();
    command.arg(python.get_program()).args(python.get_args()).arg("--keyring").arg(keyring).arg(archive.folder.path());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(HEAD.as_bytes()) && output.stdout.ends_with(END.as_bytes()));
    assert!(output.stdout.len() > sql.len() + (63 << 20));
}
