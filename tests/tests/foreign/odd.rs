//! Files as they come out of real hands: nested, sent through a terminal, saved by Windows, or not a dump at all.

use std::process::Command;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, custom, gpg, gzip, openssl, plain, through, zstd};
use lifeboat_tests::{Major, Postgres, fixtures};

use crate::world::{refused, restored, said};

fn crlf(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

/// `gpg --symmetric --armor`.
fn armored(input: &[u8]) -> Vec<u8> {
    let home = tempfile::TempDir::new().unwrap();
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
    command.args(["--passphrase", PASSPHRASE, "--armor", "--symmetric", "--output", "-"]);
    let sealed = through(&mut command, input);
    lifeboat_tests::foreign::end_agent(home.path());
    sealed
}

#[test]
fn what_was_wrapped_twice_or_in_pieces_comes_back() {
    let (shop, shelf, server) = (fixtures::small(Major::V15), Shelf::new(), Postgres::shared(Major::V15));
    let sql = plain(&shop);
    let (first, second) = sql.split_at(sql.len() / 2);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    let frames = [zstd(first), zstd(second)].concat();
    let forms = [
        ("gzip of gzip", gzip(&gzip(&sql))),
        ("gzip members", members),
        ("zstd frames", frames),
        ("gzip of gpg of zstd", gzip(&gpg(&zstd(&sql)))),
        ("gpg of openssl of custom", gpg(&openssl(&custom(&shop), 10_000))),
        ("armor", armored(&gzip(&sql))),
    ];
    for (name, bytes) in forms {
        assert_same_but_settings(&shop, &restored(&shelf.put(name, &bytes), server, &[]));
    }
}

/// As `docker exec -t db pg_dump > file` makes them, and as an editor of Windows saves them.
#[test]
fn carriage_returns_and_a_byte_order_mark_are_taken_off() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("returned");
    source.psql(
        "CREATE TABLE t (a text); INSERT INTO t VALUES (E'x\\r\\ny'), (''), (NULL), (E'\\r');
         CREATE FUNCTION f() RETURNS text LANGUAGE sql AS E'SELECT ''a\\r\nb''::text'",
    );
    let sql = plain(&source);
    let marked = |bytes: &[u8]| [&b"\xef\xbb\xbf"[..], bytes].concat();
    let files = [("terminal", gzip(&crlf(&sql))), ("mark", marked(&sql)), ("both", marked(&crlf(&sql)))];
    for (name, bytes) in files {
        let database = restored(&shelf.put(name, &bytes), server, &[]);
        assert_same_but_settings(&source, &database);
        assert_eq!(database.psql("SELECT f() = E'a\\r\\nb'"), "t", "{name}");
    }
    let half = sql.len() / 2;
    let mixed = [crlf(&sql[..half]), sql[half..].to_vec()].concat();
    let outcome = refused(&shelf.put("mixed", &mixed), server, 30, &[]);
    assert!(said(&outcome).contains("carriage return"), "{}", outcome.text());
}

#[test]
fn what_is_no_dump_is_told_for_what_it_is() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let page = b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head></html>\n";
    let answer = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code></Error>";
    let base64 =
        through(Command::new("openssl").args(["enc", "-aes-256-cbc", "-pbkdf2", "-a", "-pass", "pass:x"]), b"x");
    let utf16 = through(Command::new("iconv").args(["-f", "UTF-8", "-t", "UTF-16"]), b"SELECT 1;\n");
    let mysql = b"-- MySQL dump 10.13  Distrib 8.0.36\n--\n".as_slice();
    let cases: [(&str, &[u8], i32, &str); 9] = [
        ("page.sql.gz", page, 30, "HTML"),
        ("answer.sql.gz", answer, 30, "XML"),
        ("answer.json", b"{\"message\": \"rate limit\"}", 30, "JSON"),
        ("page within", &gzip(page), 30, "HTML"),
        ("base64", &base64, 40, "openssl base64 -d"),
        ("utf16", &utf16, 40, "iconv"),
        ("mysql", &gzip(mysql), 40, "PostgreSQL"),
        ("mariadb", b"/*M!999999\\- enable the sandbox mode */\n", 40, "MariaDB"),
        ("random", &std::array::from_fn::<u8, 512, _>(|at| (at * 167 + 19) as u8), 30, "no form that is known"),
    ];
    for (name, bytes, code, words) in cases {
        let outcome = refused(&shelf.put(name, bytes), server, code, &[]);
        assert!(said(&outcome).contains(words), "{name}: {}", outcome.text());
        assert!(outcome.last_record()["hint"].is_string(), "{name}: {}", outcome.text());
    }
}

/// The passphrase was the right one, whatever lies under it.
#[test]
fn what_is_not_read_under_openssl_and_gpg_is_told_with_the_whole_way_to_it() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let xz = through(Command::new("xz").arg("-c"), b"SELECT 1;\n");
    let bzip2 = b"BZh91AY&SY rest of it".as_slice();
    let cases = [
        ("openssl", openssl(&xz, 10_000), 40, "-pbkdf2 -iter ITERATIONS < FILE | xz -dc | lifeboat"),
        ("bzip2", openssl(bzip2, 10_000), 40, "bzip2 -dc | lifeboat"),
        ("gpg", gpg(&xz), 40, "gpg -d < FILE | xz -dc | lifeboat"),
        ("gzip", gzip(&xz), 40, "gunzip -c < FILE | xz -dc | lifeboat"),
        ("both", gzip(&gpg(&xz)), 40, "gunzip -c < FILE | gpg -d | xz -dc | lifeboat"),
        ("zip", gzip(b"PK\x03\x04 rest of it"), 40, "gunzip -c < FILE > INNER; then unzip -p INNER | lifeboat"),
        ("page", openssl(b"<html></html>", 10_000), 30, "HTML"),
        ("nothing", openssl(b"", 10_000), 30, "the file is empty"),
    ];
    for (name, bytes, code, words) in cases {
        let outcome = refused(&shelf.put(name, &bytes), server, code, &[]);
        assert!(said(&outcome).contains(words), "{name}: {}", outcome.text());
    }
}

/// Nothing in it tells when a file of it is cut.
#[test]
fn a_directory_of_pg_dump_is_refused_with_what_to_do_and_so_is_a_tar_of_one() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let folder = shelf.0.path().join("dump");
    shop.pg_dump(&["--format=directory", "--file", folder.to_str().unwrap()]);
    let outcome = refused(&folder, shop.server, 2, &[]);
    assert!(said(&outcome).contains("pg_restore"), "{}", outcome.text());
    let tar = through(Command::new("tar").arg("-C").arg(shelf.0.path()).args(["-czf", "-", "dump"]), b"");
    let outcome = refused(&shelf.put("dump.tar.gz", &tar), shop.server, 40, &[]);
    assert!(said(&outcome).contains("pg_restore"), "{}", outcome.text());
}
