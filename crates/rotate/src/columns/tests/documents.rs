//! Ciphertexts inside JSON: all else in the document stays as it was, to the byte.

use super::{decode, fields, layout};
use crate::columns::Unopened;

fn rewritten(text: &str, old: &str) -> Result<String, Unopened> {
    let layout = layout(text);
    let mut new = decode(&layout, old)?;
    new.ct.iter_mut().chain(&mut new.iv).chain(&mut new.tag).for_each(|byte| *byte = 0xff);
    Ok(layout.encode_like(&[Some(old.as_bytes())], &new)?.text().unwrap().to_owned())
}

#[test]
fn spaces_order_and_other_members_stay() {
    let (iv, tag) = ("10".repeat(12), "20".repeat(16));
    let old = format!(
        "\n{{ \"n\": 1.50,\t\"tag\" : \"{tag}\", \"d\\u0061ta\":\"abcd\",\"x\":[{{}},\"\\u00e4\"], \"iv\":\"{iv}\" }} "
    );
    let new = old.replace(&tag, &"f".repeat(32)).replace("abcd", "ffff").replace(&iv, &"f".repeat(24));
    assert_eq!(rewritten("json{iv: hex(iv), data: hex(ct), tag: hex(tag)}", &old), Ok(new));
}

#[test]
fn a_path_leads_into_a_document() {
    let value = format!("v1:{}", "10".repeat(29));
    let old = format!(r#"{{"a":{{"b.c":{{"token":"{value}"}},"token":"other"}},"token":null}}"#);
    let new = old.replace(&"10".repeat(29), &"f".repeat(58));
    assert_eq!(rewritten(r#"json{a."b.c".token: "v1:" hex(iv ct tag)}"#, &old), Ok(new));
}

#[test]
fn escapes_stay_as_their_writer_makes_them() {
    // 12 bytes of IV, a byte, a tag: base64 of 0xff is full of slashes.
    let value = format!("AAAAAAAAAAAAAAAA{}", "/".repeat(22) + "8=");
    let php = value.replace('/', "\\/");
    let new = format!(r#"{{"t":"{}8="}}"#, "\\/".repeat(38));
    assert_eq!(rewritten("json{t: base64(iv ct tag)}", &format!(r#"{{"t":"{php}"}}"#)), Ok(new));
    let plain = format!(r#"{{"t":"{}8="}}"#, "/".repeat(38));
    assert_eq!(rewritten("json{t: base64(iv ct tag)}", &format!(r#"{{"t":"{value}"}}"#)), Ok(plain));

    let both = format!(r#"{{"t":"{}"}}"#, value.replacen('/', "\\/", 1));
    assert_eq!(
        rewritten("json{t: base64(iv ct tag)}", &both),
        Err(Unopened::Malformed("its JSON string escapes a character in two ways"))
    );
}

#[test]
fn literals_with_quotes_newlines_and_other_planes_are_json() {
    let layout = layout("json{t: \"\\\"\\n\\\\🔑\" hex(iv ct tag)}");
    let fresh = layout.encode(&fields(&layout, 3));
    assert!(fresh.text().unwrap().starts_with(r#"{"t":"\"\n\\🔑1011"#), "{:?}", fresh.text());
    assert_eq!(layout.decode(&fresh.parts()), Ok(fields(&layout, 3)));
    let escaped = fresh.text().unwrap().replace('🔑', "\\ud83d\\udd11").replace("\\n", "\\u000a");
    let written = layout.encode_like(&[Some(escaped.as_bytes())], &fields(&layout, 3)).unwrap();
    assert_eq!(written.text(), Some(escaped.as_str()));
}

#[test]
fn nothing_at_the_place_is_empty_and_something_else_is_not() {
    let one = layout("json{a.token: hex(iv ct tag)}");
    let many = layout("json{iv: hex(iv), data: hex(ct tag)}");
    let deep = layout("json{a.iv: hex(iv), a.data: hex(ct tag)}");
    let missing = Unopened::Malformed("a member of its JSON is missing");
    for (layout, document, why) in [
        (&one, "{}", Unopened::Empty),
        (&one, r#"{"a":null}"#, Unopened::Empty),
        (&one, r#"{"a":{"token":null}}"#, Unopened::Empty),
        (&one, r#"{"a":{"token":""}}"#, Unopened::Empty),
        (&one, "null", Unopened::Empty),
        (&one, r#"{"a":7}"#, Unopened::Malformed("its JSON has no object there")),
        (&one, r#"{"a":{"token":7}}"#, Unopened::Malformed("its JSON has no string there")),
        (&one, r#"{"a":{"token":"x"},"a":{}}"#, Unopened::Malformed("a member of its JSON is there twice")),
        (&one, r#"{"a":{"token":"x"}"#, Unopened::Malformed("it is not JSON")),
        (&one, "hunter2", Unopened::Plaintext),
        (&many, r#"{"user":"me"}"#, Unopened::Plaintext),
        (&many, r#"{"iv":"00"}"#, missing),
        (&many, r#"{"iv":"","data":""}"#, Unopened::Empty),
        (&deep, r#"{"b":{}}"#, Unopened::Empty),
        (&deep, r#"{"a":null}"#, Unopened::Empty),
        (&deep, r#"{"a":{"password":"x"}}"#, Unopened::Plaintext),
    ] {
        assert_eq!(decode(layout, document), Err(why), "{layout}: {document}");
    }
}
