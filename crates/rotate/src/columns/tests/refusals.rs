//! Expressions that are refused point at the place and say what to do.

use crate::columns::{KeyFormat, Layout, Misread};

/// What an error underlines.
fn refused<T: std::fmt::Debug>(text: &str, read: Result<T, Misread>) -> (String, Misread) {
    let misread = read.expect_err(text);
    (text[misread.at()].to_owned(), misread)
}

#[test]
fn layouts_that_could_be_read_in_two_ways_are_refused() {
    for (text, underlined, what) in [
        ("hex(iv ct tag salt)", "salt", "nothing tells where `salt` begins"),
        ("hex(ct) hex(salt) hex(iv tag)", "hex", "nothing tells where `hex(salt)` begins"),
        ("base64(iv/16) base64(tag) base64(ct)", "base64", "nothing tells where `base64(tag)` begins"),
        ("hex(iv tag ct) kid", "kid", "nothing tells where `kid` begins"),
        ("hex(iv ct) \"a\" hex(salt tag)", "\"a\"", "\"a\" does not separate: `hex(iv ct)` may hold"),
        ("base64(iv tag ct) \"=\" kid", "\"=\"", "\"=\" does not separate"),
        ("base64url(ct) \"-\" base64url(iv tag salt)", "\"-\"", "\"-\" does not separate"),
        ("bytes(salt 0x00 iv ct tag)", "0x00", "0x00 does not separate: `salt` may hold"),
        ("json{a: hex(ct)} \":\" hex(iv tag) \":\" kid", "\":\"", "\":\" does not separate"),
    ] {
        let (found, misread) = refused(text, Layout::parse(text));
        assert!(misread.what().starts_with(what), "{text}: {misread}");
        assert_eq!(found, underlined, "{text}: {misread}");
        assert!(misread.help().is_some(), "{text}");
    }
}

#[test]
fn layouts_that_lack_something_are_refused() {
    for (text, underlined, what) in [
        ("base64(iv ct)", "", "the layout has no `tag`"),
        ("base64(ct tag)", "", "the layout has no `iv`"),
        ("base64(iv tag)", "", "the layout has no `ct`"),
        ("base64(iv tag ct tag)", "tag", "`tag` stands here a second time"),
        ("columns{a: hex(iv ct), b: hex(iv)}", "iv", "`iv` stands here a second time"),
        ("columns{a: hex(iv), a: hex(ct tag)}", "a", "this column stands here a second time"),
        ("json{a: hex(iv), a.b: hex(ct tag)}", "a.b", "this place, or one around it, is named a second time"),
        ("", "", "expected a part of a value, found the end"),
        ("base64()", ")", "expected a part of a value, found `)`"),
        ("base64(iv tag ct", "", "expected `)`, found the end"),
        ("base64(iv tag ct))", ")", "expected the end, found `)`"),
        ("base65(iv tag ct)", "base65", "expected a part of a value, found `base65`"),
        ("base64(nonce tag ct)", "nonce", "expected a part of a value, found `nonce`"),
        ("base64(iv/13 tag ct)", "13", "an IV has 12 or 16 bytes"),
        ("base64(iv tag/12 ct)", "12", "a tag has 16 bytes"),
        ("base64(iv tag ct/5)", "ct/5", "only iv and salt have a length of their own"),
        ("iv tag ct", "iv", "`iv` cannot stand here: these are bytes"),
        ("hex(kid iv ct tag)", "kid", "`kid` cannot stand here: a key id is text"),
        ("0x01 hex(iv ct tag)", "0x01", "a text holds no bytes"),
        ("bytes(0x1 iv ct tag)", "0x1", "expected pairs of digits after 0x"),
        ("\"v1 hex(iv ct tag)", "\"v1 hex(iv ct tag)", "this text has no closing \""),
        ("\"\" hex(iv ct tag)", "\"\"", "this text is empty"),
        ("\"v\\1\" hex(iv ct tag)", "\\", "unknown escape"),
        ("\"x\" bytes(iv ct tag)", "bytes", "`bytes` holds all of a column"),
        ("json{: hex(iv ct tag)}", ":", "expected the name of a member, found `:`"),
    ] {
        let (found, misread) = refused(text, Layout::parse(text));
        assert_eq!(misread.what().split_once(';').map_or(misread.what(), |(what, _)| what), what, "{text}");
        assert_eq!(found, underlined, "{text}: {misread}");
    }
}

#[test]
fn the_error_counts_characters_and_has_a_hint() {
    let error: lifeboat_core::Error = Layout::parse("\"ä:\" base64(iv ct tga)").unwrap_err().into();
    assert_eq!(error.to_string(), "read the layout at character 19: expected a part of a value, found `tga`");
    assert_eq!(error.kind(), lifeboat_core::Kind::Config);
    assert!(error.help().unwrap().contains("parts are iv, tag, ct"));
}

#[test]
fn key_formats_that_are_not_complete_are_refused() {
    for (text, what) in [
        ("md5", "this is no key format"),
        ("", "expected a key format, found the end"),
        ("hex(32)", "expected the end, found `(`"),
        ("scrypt", "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most"),
        ("scrypt(N=16384, r=8)", "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most"),
        ("scrypt(N=16383, r=8, p=1)", "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most"),
        (
            "scrypt(N=4294967295, r=4294967295, p=1)",
            "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most",
        ),
        ("scrypt(N=2147483648, r=8, p=1)", "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most"),
        (
            "scrypt(N=16384, r=8, p=1, hash=sha256)",
            "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most",
        ),
        ("scrypt(N=16384, N=2, r=8, p=1)", "this parameter stands here a second time"),
        ("pbkdf2(iterations=1000)", "pbkdf2 needs hash and iterations"),
        ("pbkdf2(hash=sha256, iterations=0)", "pbkdf2 needs hash and iterations"),
        ("pbkdf2(hash=sha1, iterations=1000)", "expected sha256 or sha512, found `sha1`"),
        ("pbkdf2(rounds=1000)", "unknown parameter"),
        ("pbkdf2(hash=sha256, iterations=1000, salt=abc)", "expected a salt, found `abc`"),
        ("pbkdf2(hash=sha256, iterations=1000, salt=hex(\"abc\"))", "this is not hex"),
    ] {
        let (_, misread) = refused(text, KeyFormat::parse(text));
        assert_eq!(misread.what(), what, "{text}");
    }
}

#[test]
fn a_key_in_place_of_an_expression_is_not_repeated() {
    let secrets =
        ["deadbeef".repeat(8), "s3cretk3y".to_owned(), "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I".to_owned()];
    for secret in &secrets {
        let misread = KeyFormat::parse(secret).unwrap_err();
        assert!(!format!("{misread} {:?} {misread:?}", misread.help()).contains(secret.as_str()), "{misread}");
    }
    let misread = Layout::parse(&secrets[0]).unwrap_err();
    assert!(!format!("{misread} {misread:?}").contains("deadbeef"), "{misread}");
}
