//! The library by itself; `tests/tests/interop` holds it against other programs.

mod documents;
mod formats;
mod layouts;
mod looks;
mod page;
mod properties;
mod refusals;
mod rings;
mod wycheproof;

use super::{ColumnKey, Fields, KeyFormat, Keyring, Layout, Unopened};

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap_or_else(|misread| panic!("{text}: {misread}"))
}

fn key(secret: &str) -> ColumnKey {
    ColumnKey::derive(&secret.to_owned().into(), &KeyFormat::Sha256).unwrap()
}

fn ring(text: &str, primary: &str, enabled: &[&str]) -> Keyring {
    let ring = Keyring::new(layout(text), key(primary)).unwrap();
    enabled.iter().fold(ring, |ring, secret| ring.enable(key(secret)).unwrap())
}

/// Fields with every byte different.
fn fields(layout: &Layout, ct: usize) -> Fields {
    let count = |from: usize, bytes: usize| (from..from + bytes).map(|byte| byte as u8).collect::<Vec<_>>();
    let mut fields = Fields { iv: count(0x10, layout.iv_bytes()), ct: count(0xa0, ct), ..Fields::default() };
    fields.tag.copy_from_slice(&count(0x40, 16));
    if layout.has_key_id() {
        fields.kid = "k1".to_owned();
    }
    if layout.has_salt() {
        fields.salt = count(0x70, 16);
    }
    fields
}

fn decode(layout: &Layout, value: &str) -> Result<Fields, Unopened> {
    layout.decode(&[Some(value.as_bytes())])
}
