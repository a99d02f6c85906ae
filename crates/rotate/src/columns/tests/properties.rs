//! What holds for every layout and every value.

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::key;
use crate::columns::{Fields, Keyring, Layout, Outcome};

/// A way to arrange the parts, as text with `IV`, `TAG`, `CT` and `REST` to be filled in.
fn arrangement() -> impl Strategy<Value = String> {
    let separator = prop_oneof![Just(":"), Just("."), Just("$"), Just("::"), Just("|é|")];
    let prefix = prop_oneof![Just(""), Just("\"enc:v1:\" "), Just("'\\n\\\"' "), Just("\"🔑\" ")];
    let order = Just(["iv", "tag", "ct"]).prop_shuffle();
    (0..7, codec(), codec(), codec(), separator, prefix, order, any::<bool>()).prop_map(arranged)
}

type Choice = (i32, &'static str, &'static str, &'static str, &'static str, &'static str, [&'static str; 3], bool);

fn arranged((shape, a, b, c, sep, prefix, [x, y, z], kid): Choice) -> String {
    let kid = if kid { format!("kid \"{sep}\" ") } else { String::new() };
    match shape {
        0 => format!("{prefix}{kid}{a}({x} {y} {z})"),
        1 => format!("{prefix}{kid}{a}({x}) \"{sep}\" {b}({y}) \"{sep}\" {c}({z})"),
        2 => format!("json{{\"x y\": {prefix}{a}({x}), n.m: {b}({y} {z})}}"),
        3 => format!("{a}(json{{v: {b}({x} {y} {z})}})"),
        4 => format!("bytes(0x00ff {x} {y} {z})"),
        5 => format!("columns{{one: {prefix}{a}({x} {z}), two: bytes({y})}}"),
        _ => format!("{prefix}{a}({b}({x}) \"{sep}\" {c}({y} {z}))"),
    }
}

fn codec() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("base64"), Just("base64url"), Just("hex")]
}

fn layouts() -> impl Strategy<Value = Layout> {
    (arrangement(), any::<bool>()).prop_map(|(text, long)| {
        let text = if long { text.replace("iv", "iv/16") } else { text };
        Layout::parse(&text).unwrap_or_else(|misread| panic!("{text}: {misread}"))
    })
}

fn bytes(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length)
}

fn values() -> impl Strategy<Value = (Layout, Fields)> {
    (layouts(), bytes(16), bytes(16), bytes(0..70)).prop_map(|(layout, mut iv, tag, ct)| {
        iv.truncate(layout.iv_bytes());
        let kid = if layout.has_key_id() { "k-1".to_owned() } else { String::new() };
        let fields = Fields { iv, tag: tag.try_into().unwrap(), ct, kid, ..Fields::default() };
        (layout, fields)
    })
}

/// Text in the other ways of writing the same: upper case, without padding or with it.
fn rewritten(text: &str) -> Vec<String> {
    vec![text.to_owned(), text.replace('=', ""), text.to_uppercase()]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(layout in layouts()) {
        prop_assert_eq!(Layout::parse(&layout.to_string()), Ok(layout));
    }

    #[test]
    fn what_is_written_is_read_as_the_same((layout, fields) in values()) {
        prop_assert_eq!(layout.decode(&layout.encode(&fields).parts()), Ok(fields));
    }

    /// Whatever can be read at all is written again to the byte.
    #[test]
    fn a_value_keeps_its_form((layout, fields) in values()) {
        let stored = layout.encode(&fields);
        prop_assert_eq!(&layout.encode_like(&stored.parts(), &fields), &Ok(stored.clone()));
        for text in stored.text().map(rewritten).unwrap_or_default() {
            let old = [Some(text.as_bytes())];
            if let Ok(read) = layout.decode(&old) {
                let again = layout.encode_like(&old, &read).unwrap();
                prop_assert_eq!(again.text(), Some(text.as_str()));
            }
        }
    }

    /// Documents keep what is not theirs.
    #[test]
    fn a_document_keeps_its_other_members(
        (iv, ct, tag) in (bytes(12), bytes(1..40), bytes(16)),
        before in "[ \t\n]{0,3}",
        name in "[a-z\"\\\\/é\u{1f511}]{1,8}",
        number in any::<i32>(),
    ) {
        let layout: Layout = "json{secret.v: hex(iv ct tag)}".parse().unwrap();
        let value = |iv: &[u8], ct: &[u8], tag: &[u8]| hex::encode([iv, ct, tag].concat());
        let name = serde_json::to_string(&format!("_{name}")).unwrap();
        let document = |value: &str| {
            format!(r#"{before}{{{before}{name} :{number}, "secret":{{"v"{before}:"{value}",{name}:["{number}"]}}}}"#)
        };
        let new = Fields { iv: vec![1; 12], ct: vec![2; ct.len()], tag: [3; 16], ..Fields::default() };
        let old = document(&value(&iv, &ct, &tag));
        let written = layout.encode_like(&[Some(old.as_bytes())], &new).unwrap();
        prop_assert_eq!(written.text().unwrap(), document(&value(&new.iv, &new.ct, &new.tag)));
    }

    /// Reading what is not of a layout gives a refusal, never a panic, and never a value that is written otherwise.
    #[test]
    fn anything_may_be_stored((layout, _) in values(), junk in bytes(0..90), text in ".{0,60}", cut in 0_usize..90) {
        let ring = Keyring::new(layout.clone(), key("a").with_id("k-1")).unwrap();
        let mut stored = ring.encrypt(b"some text", b"").unwrap().into_columns();
        stored[0].truncate(cut);
        let rest: Vec<_> = stored.iter().skip(1).map(|column| Some(column.as_slice())).collect();
        for value in [junk.as_slice(), text.as_bytes(), stored[0].as_slice()] {
            let parts = [&[Some(value)], rest.as_slice()].concat();
            if let Ok(fields) = layout.decode(&parts) {
                let again = layout.encode_like(&parts, &fields).unwrap();
                prop_assert_eq!(again.parts(), parts);
            }
        }
    }

    /// A value under the old key becomes one under the new key of the same length, and nothing but its fields differs.
    #[test]
    fn reencryption_changes_nothing_but_iv_tag_ciphertext_and_key_id(
        layout in layouts(),
        plaintext in bytes(0..70),
        aad in bytes(0..20),
    ) {
        let keyed = |secret: &str| key(secret).with_id(format!("k-{secret}"));
        let old = Keyring::new(layout.clone(), keyed("a")).unwrap();
        let both = Keyring::new(layout.clone(), keyed("b")).unwrap().enable(keyed("a")).unwrap();
        let stored = old.encrypt(&plaintext, &aad).unwrap();
        let Outcome::Rotated(rotated) = both.reencrypt(&stored.parts(), &aad).unwrap() else { panic!("{layout}") };
        let opened = both.open(&rotated.parts(), &aad).unwrap();
        prop_assert_eq!(opened.plaintext(), plaintext.as_slice());
        prop_assert!(both.verify(&rotated.parts(), &aad).is_ok());
        let was = layout.decode(&stored.parts()).unwrap();
        let is = layout.decode(&rotated.parts()).unwrap();
        prop_assert!(was.iv != is.iv && was.tag != is.tag);
        // With its old fields it is the old value again, to the byte.
        prop_assert_eq!(layout.encode_like(&rotated.parts(), &was), Ok(stored));
    }
}
