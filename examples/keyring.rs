//! A service that encrypts a column and lives through a rotation: it reads two keys, and writes under the primary one.
//! `SECRET_KEY="a new secret" SECRET_KEY_OLD="an old secret" cargo run -p lifeboat-rotate --example keyring`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
use std::{env, error::Error};

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{AadTemplate, ColumnKey, KeyFormat, Layout, Outcome};

/// `SECRET_KEY` encrypts; `SECRET_KEY_OLD`, as long as it is set, opens too.
fn keyring(layout: &Layout) -> Result<Keyring, Box<dyn Error>> {
    let key = |secret: String| ColumnKey::derive(&secret.into(), &KeyFormat::Sha256);
    let keyring = Keyring::new(layout.clone(), key(env::var("SECRET_KEY")?)?)?;
    match env::var("SECRET_KEY_OLD") {
        Ok(old) => Ok(keyring.enable(key(old)?)?),
        Err(_) => Ok(keyring),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let layout: Layout = "\"v1:\" base64(iv ct tag)".parse()?;
    // A value opens in its own row only.
    let bound = "{table}.{column}:{id}".parse::<AadTemplate>()?.of("public", "tokens", "secret");
    let (keyring, row) = (keyring(&layout)?, bound.render(&["42"])?);

    // INSERT INTO tokens (id, secret) VALUES (42, $1)
    let stored = keyring.encrypt(b"a token", &row)?;
    println!("under {}: {}", keyring.primary().fingerprint(), stored.text().unwrap_or_default());

    // SELECT secret FROM tokens WHERE id = 42
    let opened = keyring.open(&stored.parts(), &row)?;
    println!("{} bytes, under the primary key: {}", opened.plaintext().len(), opened.by_primary());

    // What the sweep does with every row, and a service may do with those it reads:
    // UPDATE tokens SET secret = $new WHERE id = 42 AND secret = $old
    match keyring.reencrypt(&stored.parts(), &row)? {
        Outcome::Rotated(new) => println!("to be written: {}", new.text().unwrap_or_default()),
        other => println!("nothing to write: {}", other.name()),
    }
    Ok(())
}
