//! Layouts that applications use: read, printed, taken apart and written in the form that was there.

use super::{decode, fields, layout};
use crate::columns::layout::{Content, Layout};
use crate::columns::{Fields, Unopened};

const IV: &str = "101112131415161718191a1b";
const IV16: &str = "101112131415161718191a1b1c1d1e1f";
const TAG: &str = "404142434445464748494a4b4c4d4e4f";
const CT: &str = "a0a1a2a3a4";

/// What is stored, of fields of counted bytes and a ciphertext of 5.
#[test]
fn values_lie_as_the_layout_looks() {
    for (text, stored) in [
        ("base64(iv tag ct)", "EBESExQVFhcYGRobQEFCQ0RFRkdISUpLTE1OT6ChoqOk"),
        ("base64url(iv ct tag)", "EBESExQVFhcYGRoboKGio6RAQUJDREVGR0hJSktMTU5P"),
        ("base64(iv) \":\" base64(tag) \":\" base64(ct)", "EBESExQVFhcYGRob:QEFCQ0RFRkdISUpLTE1OTw==:oKGio6Q="),
        (
            "base64url(iv/16) \".\" base64url(ct)\".\" base64url(tag)",
            "EBESExQVFhcYGRobHB0eHw==.oKGio6Q=.QEFCQ0RFRkdISUpLTE1OTw==",
        ),
        ("hex(iv) \":\" hex(tag) \":\" hex(ct)", &format!("{IV}:{TAG}:{CT}")),
        ("hex(iv) hex(tag) hex(ct)", &format!("{IV}{TAG}{CT}")),
        ("\"enc:v1:\" hex(iv/16 ct tag)", &format!("enc:v1:{IV16}{CT}{TAG}")),
        ("'v1.' hex(iv) '.' hex(ct) '.' hex(tag)", &format!("v1.{IV}.{CT}.{TAG}")),
        ("\"enc:\" hex(iv) \":\" hex(tag) \":\" hex(ct)", &format!("enc:{IV}:{TAG}:{CT}")),
        (
            "hex(salt/16) \":\" hex(iv/16) \":\" hex(tag) \":\" hex(ct)",
            &format!("707172737475767778797a7b7c7d7e7f:{IV16}:{TAG}:{CT}"),
        ),
        ("hex(salt) \":\" hex(iv tag ct)", &format!("707172737475767778797a7b7c7d7e7f:{IV}{TAG}{CT}")),
        (
            "\"$ENC$\" kid \"$AES-256-GCM$\" hex(iv) \"$\" hex(ct) \"$\" hex(tag)",
            &format!("$ENC$k1$AES-256-GCM${IV}${CT}${TAG}"),
        ),
        ("\"aes-gcm:\" kid \":\" hex(iv ct tag)", &format!("aes-gcm:k1:{IV}{CT}{TAG}")),
        ("hex(iv ct tag) \":\" kid", &format!("{IV}{CT}{TAG}:k1")),
        ("kid hex(iv tag) \":\" hex(ct)", &format!("k1{IV}{TAG}:{CT}")),
        ("json{iv: hex(iv), data: hex(ct), tag: hex(tag)}", &format!(r#"{{"iv":"{IV}","data":"{CT}","tag":"{TAG}"}}"#)),
        (
            "json{kid: kid, \"c d\".x: hex(ct tag), \"c d\".y: hex(iv), v: \"1\"}",
            &format!(r#"{{"kid":"k1","c d":{{"x":"{CT}{TAG}","y":"{IV}"}},"v":"1"}}"#),
        ),
        ("json(\"e:\" hex(iv ct tag))", &format!("\"e:{IV}{CT}{TAG}\"")),
    ] {
        let layout = layout(text);
        let fields = fields(&layout, 5);
        assert_eq!(layout.encode(&fields).text(), Some(stored), "{text}");
        assert_eq!(decode(&layout, stored).as_ref(), Ok(&fields), "{text}");
        assert_eq!(layout.encode_like(&[Some(stored.as_bytes())], &fields).unwrap().text(), Some(stored), "{text}");
        assert_eq!(Layout::parse(&layout.to_string()).as_ref(), Ok(&layout), "{layout}");
    }
}

#[test]
fn bytes_and_columns_lie_as_the_layout_looks() {
    let versioned = layout("bytes(0x0102 iv ct tag)");
    let stored = versioned.encode(&fields(&versioned, 5));
    assert_eq!(hex::encode(&stored.columns()[0]), format!("0102{IV}{CT}{TAG}"));
    assert_eq!(versioned.decode(&stored.parts()), Ok(fields(&versioned, 5)));

    let spread = layout("columns{\"the secret\": bytes(ct), iv: hex(iv/16), t: base64(tag)}");
    let stored = spread.encode(&fields(&spread, 5));
    assert_eq!(hex::encode(&stored.columns()[0]), CT);
    assert_eq!(stored.columns()[1], IV16.as_bytes());
    assert_eq!(spread.decode(&stored.parts()), Ok(fields(&spread, 5)));
    let columns: Vec<_> = spread.columns().collect();
    let named = [(Some("the secret"), Content::Bytes), (Some("iv"), Content::Text), (Some("t"), Content::Text)];
    assert_eq!(columns, named);
    assert_eq!(Layout::parse(&spread.to_string()), Ok(spread));
}

#[test]
fn case_and_padding_stay_as_they_were() {
    for (text, old, new) in [
        ("hex(iv ct tag)", format!("{IV}ff{TAG}").to_uppercase(), format!("{IV}a0{TAG}").to_uppercase()),
        ("hex(iv ct tag)", format!("{IV}ff{TAG}"), format!("{IV}a0{TAG}")),
        // Each part has its own.
        ("hex(iv) \":\" hex(tag) \":\" hex(ct)", format!("{IV}:{TAG}:FF"), format!("{IV}:{TAG}:A0")),
        (
            "base64(iv ct tag)",
            "EBESExQVFhcYGRob/0BBQkNERUZHSElKS0xNTk8".to_owned(),
            "EBESExQVFhcYGRoboEBBQkNERUZHSElKS0xNTk8".to_owned(),
        ),
        (
            "base64url(iv ct tag)",
            "EBESExQVFhcYGRob_0BBQkNERUZHSElKS0xNTk8=".to_owned(),
            "EBESExQVFhcYGRoboEBBQkNERUZHSElKS0xNTk8=".to_owned(),
        ),
    ] {
        let layout = layout(text);
        let new_fields = fields(&layout, 1);
        let written = layout.encode_like(&[Some(old.as_bytes())], &new_fields).unwrap();
        assert_eq!(written.text(), Some(new.as_str()), "{text}");
    }
}

#[test]
fn an_encrypted_empty_text_is_a_value() {
    for text in ["hex(iv) \":\" hex(tag) \":\" hex(ct)", "base64(iv tag ct)", "json{a: hex(ct), b: hex(iv tag)}"] {
        let layout = layout(text);
        let empty = fields(&layout, 0);
        assert_eq!(layout.decode(&layout.encode(&empty).parts()), Ok(empty), "{text}");
    }
}

#[test]
fn a_value_of_another_length_or_form_is_malformed() {
    let colons = layout("hex(iv) \":\" hex(tag) \":\" hex(ct)");
    for (value, why) in [
        (format!("{IV16}:{TAG}:{CT}"), "a text of the layout is not at its place, as when the iv has another length"),
        (format!("{IV}:{TAG}"), "a part has another length than the layout says"),
        (format!("{IV}:{TAG}:{CT}:00"), "it is not hexadecimal"),
        (format!("{IV}:{TAG}:a0a"), "it is not hexadecimal"),
        (format!("{IV}:{TAG}:Aaaa"), "its hexadecimal digits are of both cases"),
    ] {
        assert_eq!(decode(&colons, &value), Err(Unopened::Malformed(why)), "{value}");
    }
    let packed = layout("\"v1:\" base64(iv tag ct)");
    for value in [
        "v1:",
        "v1:AAAA",
        "v1:EBESExQVFhcYGRobQEFCQ0RFRkdISUpLTE1OT6Cho-Ok",
        "v1:EBESExQVFhcYGRobQEFCQ0RFRkdISUpLTE1OT6ChoqO",
    ] {
        assert!(matches!(decode(&packed, value), Err(Unopened::Malformed(_))), "{value}");
    }
}

#[test]
fn columns_must_all_be_there() {
    let spread = layout("columns{secret: bytes(ct), iv: bytes(iv/16), tag: bytes(tag)}");
    let (ct, iv, tag) = ([1, 2, 3].as_slice(), [7; 16].as_slice(), [8; 16].as_slice());
    assert!(spread.decode(&[Some(ct), Some(iv), Some(tag)]).is_ok());
    assert_eq!(spread.decode(&[None, None, None]), Err(Unopened::Empty));
    assert_eq!(spread.decode(&[Some(b""), None, Some(b"")]), Err(Unopened::Empty));
    assert_eq!(spread.decode(&[Some(b"hunter2"), None, None]), Err(Unopened::Plaintext));
    assert_eq!(spread.decode(&[Some(ct), Some(iv), None]), Err(Unopened::Malformed("one of its columns is NULL")));
    assert_eq!(spread.decode(&[None, Some(iv), Some(tag)]), Err(Unopened::Malformed("one of its columns is NULL")));
    assert!(matches!(spread.decode(&[Some(ct)]), Err(Unopened::Malformed(_))));
    // An empty text that was encrypted.
    let empty = Fields { iv: iv.to_vec(), tag: [8; 16], ..Fields::default() };
    assert_eq!(spread.decode(&[Some(b""), Some(iv), Some(tag)]), Ok(empty));
}
