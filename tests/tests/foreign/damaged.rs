//! What is damaged anywhere is refused, and nothing of it restored.

use std::process::Command;

use lifeboat_tests::compare::contents;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, custom, gpg, gzip, openssl, plain, through, zstd};
use lifeboat_tests::{Database, Major, fixtures};

use crate::world::{refused, restore, restored, said};

/// Refused with this code at each of these lengths.
#[track_caller]
fn cut_is_refused(shop: &Database<'_>, name: &str, bytes: &[u8], lengths: &[usize], codes: &[i32]) {
    let shelf = Shelf::new();
    let empty = shop.server.database("empty");
    for length in lengths {
        let file = shelf.put(name, &bytes[..*length]);
        let outcome = restore(&file, shop.server, &empty.name).run();
        assert!(codes.contains(&outcome.code()), "{name} cut to {length}: {}\n{}", outcome.code(), outcome.text());
        assert!(outcome.last_record()["hint"].is_string(), "{name} cut to {length}: {}", outcome.text());
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(empty.psql(tables), "0", "{name} cut to {length}");
    }
}

/// Behind its first lines; between two rows, where psql would commit what came and end well, and within one; behind the rows; before
/// and within the last line.
fn cuts(sql: &[u8]) -> [usize; 6] {
    let text = String::from_utf8_lossy(sql).into_owned();
    let rows = text.find("FROM stdin;\n").unwrap() + 12;
    let between = rows + text[rows..].find('\n').unwrap() + 1;
    let behind = text.find("\\.\n").unwrap() + 3;
    let trailer = text.find("-- PostgreSQL database dump complete").unwrap();
    [35, between, between + 5, behind, trailer, trailer + 20]
}

#[test]
fn a_plain_dump_that_is_cut_is_refused_wherever_it_is() {
    let shop = fixtures::small(Major::V15);
    let sql = plain(&shop);
    let cuts = cuts(&sql);
    cut_is_refused(&shop, "sql", &sql, &[&[0, 40], &cuts[..]].concat(), &[30]);
    let gz = gzip(&sql[..cuts[1]]);
    cut_is_refused(&shop, "whole gzip of a cut dump", &gz, &[gz.len()], &[30]);
}

/// One of the pg_dumps that wrote into the same file died: what the last one says at its end is of that one alone.
#[test]
fn a_cut_dump_with_a_whole_one_behind_it_is_refused() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let other = shop.server.database("other");
    other.psql("CREATE TABLE notes (text text); INSERT INTO notes SELECT 'note ' || i FROM generate_series(1, 9) AS i");
    let whole = plain(&other);
    for cut in [plain(&shop), whole.clone()] {
        for length in cuts(&cut) {
            let both = [&cut[..length], &whole[..]].concat();
            let outcome = refused(&shelf.put("both.sql.gz", &gzip(&both)), shop.server, 30, &[]);
            assert!(outcome.last_record()["hint"].is_string(), "cut to {length}: {}", outcome.text());
        }
    }
    let parts = [other.pg_dump(&["--schema-only"]), other.pg_dump(&["--data-only"])].concat();
    let database = restored(&shelf.put("parts.sql", &parts), shop.server, &[]);
    assert_eq!(contents(&database), contents(&other));
}

/// psql commits the rows that it has, and ends well.
#[test]
fn a_cut_dump_of_pg_dump_is_not_run_although_it_is_trusted() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let sql = plain(&shop);
    let text = String::from_utf8_lossy(&sql).into_owned();
    let rows = text.find("FROM stdin;\n").unwrap() + 12;
    let between = rows + text[rows..].find('\n').unwrap() + 1;
    let trailer = text.find("-- PostgreSQL database dump complete").unwrap();
    for length in [between, trailer] {
        let outcome = refused(&shelf.put("cut.sql.gz", &gzip(&sql[..length])), shop.server, 30, &["--trust-script"]);
        assert!(said(&outcome).contains("the dump is cut"), "{length}: {}", outcome.text());
    }
}

#[test]
fn a_cut_file_is_refused_in_every_form() {
    let shop = fixtures::small(Major::V15);
    let sql = plain(&shop);
    let forms = [
        ("gzip", gzip(&sql), vec![30]),
        ("zstd", zstd(&sql), vec![30]),
        ("custom", custom(&shop), vec![30]),
        ("tar", shop.pg_dump(&["--format=tar"]), vec![30]),
        ("gzip of custom", gzip(&shop.pg_dump(&["--format=custom", "--compress=0"])), vec![30]),
        ("gpg", gpg(&gzip(&sql)), vec![30]),
        ("openssl", openssl(&gzip(&sql), 10_000), vec![30]),
    ];
    for (name, bytes, codes) in forms {
        let end = bytes.len();
        cut_is_refused(&shop, name, &bytes, &[300, end / 3, end - 9, end - 1], &codes);
    }
}

/// A table of contents that promises more than there is: what `pg_restore --list` does not notice.
#[test]
fn an_archive_without_its_last_table_is_refused() {
    let shop = fixtures::small(Major::V18);
    let archive = custom(&shop);
    for part in [4, 8, 16, 32] {
        let length = archive.len() - archive.len() / part;
        cut_is_refused(&shop, "custom", &archive, &[length], &[30]);
    }
}

#[test]
fn a_changed_byte_is_noticed_where_the_form_can_tell() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let sql = plain(&shop);
    let forms = [
        ("gzip", gzip(&sql)),
        ("zstd", zstd(&sql)),
        ("gpg", gpg(&sql)),
        ("openssl", openssl(&gzip(&sql), 10_000)),
        ("custom", custom(&shop)),
    ];
    for (name, mut bytes) in forms {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        let outcome = refused(&shelf.put(name, &bytes), shop.server, 30, &[]);
        // What pg_restore says is not kept back.
        assert_eq!(outcome.text().contains("pg_restore: error: "), name == "custom", "{name}: {}", outcome.text());
    }
}

#[test]
fn another_passphrase_and_other_iterations_open_nothing() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let sql = gzip(&plain(&shop));
    let files = [shelf.put("gpg", &gpg(&sql)), shelf.put("openssl", &openssl(&sql, 10_000))];
    for file in &files {
        let outcome = restore(file, shop.server, "none").arg("--create").env("PASSPHRASE", "another").run().expect(12);
        assert!(said(&outcome).contains("passphrase"), "{}", outcome.text());
    }
    let outcome = refused(&files[1], shop.server, 12, &["--openssl-iterations", "10001"]);
    assert!(said(&outcome).contains("--openssl-iterations"), "{}", outcome.text());
    let missing = restore(&files[0], shop.server, "none").arg("--create").env("PASSPHRASE", "").run().expect(78);
    assert!(said(&missing).contains("PASSPHRASE"), "{}", missing.text());
}

/// Once in some thousand times, that is: with these salts what comes out begins as what gpg encrypts does.
#[test]
fn another_passphrase_is_told_also_where_what_comes_out_looks_like_something() {
    let (server, shelf) = (lifeboat_tests::Postgres::shared(Major::V15), Shelf::new());
    for salt in ["00000000000002cc", "00000000000002e1"] {
        let mut openssl = Command::new("openssl");
        openssl.args(["enc", "-aes-256-cbc", "-pbkdf2", "-iter", "1", "-S", salt, "-pass", "env:KEY"]);
        let body = through(openssl.env("KEY", PASSPHRASE), &b"INSERT INTO t VALUES (1);\n".repeat(200));
        let file = shelf.put("openssl", &[b"Salted__", &hex::decode(salt).unwrap()[..], &body].concat());
        let command = restore(&file, server, "none").args(["--create", "--openssl-iterations", "1"]);
        let outcome = command.env("PASSPHRASE", "another").run().expect(12);
        assert!(
            said(&outcome).contains("the passphrase is another one, or the number of iterations"),
            "{}",
            outcome.text()
        );
    }
}

/// As all scripts of before openssl 1.1.1 ran it: the passphrase is right, and still opens nothing.
#[test]
fn a_file_of_openssl_without_pbkdf2_is_told_with_what_opens_it() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let salt = "0102030405060708";
    let mut openssl = Command::new("openssl");
    openssl.args(["enc", "-aes-256-cbc", "-S", salt, "-pass", "env:KEY"]);
    let body = through(openssl.env("KEY", PASSPHRASE), &gzip(&plain(&shop)));
    let file = shelf.put("openssl", &[b"Salted__", &hex::decode(salt).unwrap()[..], &body].concat());
    let outcome = refused(&file, shop.server, 12, &[]);
    for words in ["without -pbkdf2", "-md", "openssl enc -d", "| lifeboat restore --from -"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
}

#[test]
fn what_is_no_dump_is_told_by_name_where_it_is_known() {
    let (server, shelf) = (lifeboat_tests::Postgres::shared(Major::V15), Shelf::new());
    let outcome = refused(&shelf.put("x", b"7z\xbc\xaf\x27\x1c\0\x04rest"), server, 40, &[]);
    assert!(said(&outcome).contains("7z x -so"), "{}", outcome.text());
    refused(&shelf.put("x", b""), server, 30, &[]);
    refused(&shelf.put("x", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0]), server, 30, &[]);
    refused(&shelf.0.path().join("none"), server, 10, &[]);
    refused(shelf.0.path(), server, 2, &[]);
}

#[test]
fn a_server_that_refuses_is_told_before_the_file_is_read() {
    let (server, shelf) = (lifeboat_tests::Postgres::shared(Major::V15), Shelf::new());
    let unread = shelf.put("x", b"");
    let command = restore(&unread, server, "none").arg("--create");
    let outcome = command.env("TARGET_URL", server.dsn_as("nobody", "wrong", "none")).run().expect(20);
    assert!(!outcome.text().contains("empty"), "{}", outcome.text());
}
