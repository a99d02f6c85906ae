//! What is taken for plaintext, and what for a damaged value. Neither is ever written.

use super::{decode, fields, layout};
use crate::columns::Unopened;

#[test]
fn what_nobody_encrypted_is_plaintext() {
    for (text, value) in [
        ("base64(iv tag ct)", "hunter2"),
        ("base64(iv tag ct)", "postgres://app:secret@db.internal:5432/shop"),
        ("base64(iv tag ct)", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN Bgkqhki G9w0"),
        ("base64(iv tag ct)", "grüße, und noch viele davon, mit leerzeichen"),
        ("hex(iv ct tag)", "an api key that is long enough for all of it, or so it seems to be"),
        ("hex(iv) \":\" hex(tag) \":\" hex(ct)", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ("\"enc:v1:\" hex(iv/16 ct tag)", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ("json{iv: hex(iv), data: hex(ct tag)}", "hunter2"),
        ("bytes(iv ct tag)", "hunter2"),
    ] {
        assert_eq!(decode(&layout(text), value), Err(Unopened::Plaintext), "{text}: {value}");
    }
}

#[test]
fn what_was_damaged_is_malformed() {
    for text in
        ["base64(iv tag ct)", "\"v1:\" base64(iv tag ct)", "hex(iv) \":\" hex(tag) \":\" hex(ct)", "hex(iv ct tag)"]
    {
        let layout = layout(text);
        let whole = layout.encode(&fields(&layout, 23)).text().unwrap().to_owned();
        let mut damaged = vec![format!("{}!{}", &whole[..20], &whole[21..]), whole[..whole.len() - 1].to_owned()];
        damaged.push(format!("{whole}\n"));
        damaged.push(format!("{}\n{}", &whole[..60], &whole[60..]));
        for value in damaged {
            assert!(matches!(decode(&layout, &value), Err(Unopened::Malformed(_))), "{text}: {value:?}");
        }
    }
}

#[test]
fn a_short_value_is_damaged_when_it_says_whose_it_is() {
    let marked = Unopened::Malformed("a part has another length than the layout says");
    assert_eq!(decode(&layout("\"enc:v1:\" hex(iv/16 ct tag)"), "enc:v1:0011"), Err(marked));
    let bytes = layout("bytes(iv ct tag)");
    assert_eq!(bytes.decode(&[Some(b"\x00\xff\x01")]), Err(marked));
}

#[test]
fn nothing_is_empty() {
    for text in ["base64(iv tag ct)", "\"v1:\" hex(iv ct tag)", "bytes(iv ct tag)", "json{a: hex(iv ct tag)}"] {
        assert_eq!(layout(text).decode(&[None]), Err(Unopened::Empty), "{text}");
        assert_eq!(layout(text).decode(&[Some(b"")]), Err(Unopened::Empty), "{text}");
    }
}
