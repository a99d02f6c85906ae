//! A service goes on writing while its key is rotated: it reads both keys, writes under the new one, and a sweep rewrites the rest.
//! `cargo run -p lifeboat-rotate --example rotate_online -- postgresql:///scratch` makes a table `lifeboat_example` there, and drops it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, error::Error};

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{AadTemplate, ColumnKey, KeyFormat};
use lifeboat_rotate::core::{Job, monitor::Silent};
use lifeboat_rotate::postgres::{ConnectOptions, ConnectionSettings, Session, connect};
use lifeboat_rotate::sweep::{KeyPair, KeySource, SweepOptions, Target, finalize, run, verify};
use tokio_util::sync::CancellationToken;

const LAYOUT: &str = "base64(iv ct tag)";
const OLD: &str = "the old secret";
const NEW: &str = "the new secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = ConnectionSettings::parse(&env::args().nth(1).ok_or("an address")?, &|name| env::var(name).ok())?;
    let job = Job::new(Arc::new(Silent), CancellationToken::new());
    let mut session = connect(&settings, "example", &ConnectOptions::default(), &Silent).await?;
    session.execute("CREATE TABLE public.lifeboat_example (id int PRIMARY KEY, secret text)").await?;
    let before = Keyring::new(LAYOUT.parse()?, key(OLD)?)?;
    for id in 0..500 {
        write(&mut session, &before, id, "first").await?;
    }

    // Every instance reads both keys and writes under the new one before the sweep begins.
    let service = Keyring::new(LAYOUT.parse()?, key(NEW)?)?.enable(key(OLD)?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write_on(settings.clone(), service, stop.clone()));

    let source = |secret: &str| KeySource { secret: secret.to_owned().into(), format: KeyFormat::Sha256, id: None };
    let target = Target {
        table: "lifeboat_example".parse()?,
        column: Some("secret".to_owned()),
        layout: LAYOUT.parse()?,
        key_columns: None,
        aad: AadTemplate::default(),
        keys: Arc::new(KeyPair { old: source(OLD), new: source(NEW) }),
    };
    let (targets, options) = ([target], SweepOptions { batch_rows: Some(50), ..SweepOptions::default() });
    let swept = run(&settings, &targets, &options, &job).await?;
    stop.store(true, Ordering::Relaxed);
    let written = writer.await??;
    println!("{written} values written meanwhile; {:?}", swept.targets[0].counts);

    println!("the new key alone opens all: {}", verify(&settings, &targets, &options, &job).await?.passed());
    println!("the key {} may go", finalize(&settings, &targets, &options, &job).await?.targets[0].old_key);
    session.execute("DROP TABLE public.lifeboat_example; DROP SCHEMA lifeboat_rotate CASCADE").await?;
    Ok(())
}

fn key(secret: &str) -> Result<ColumnKey, lifeboat_rotate::core::Error> {
    ColumnKey::derive(&secret.to_owned().into(), &KeyFormat::Sha256)
}

/// What a service does: it encrypts with its primary key.
async fn write(
    session: &mut dyn Session,
    keyring: &Keyring,
    id: i32,
    text: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stored = keyring.encrypt(text.as_bytes(), b"")?;
    let value = stored.text().unwrap_or_default();
    let upsert = "ON CONFLICT (id) DO UPDATE SET secret = excluded.secret";
    session.execute(&format!("INSERT INTO public.lifeboat_example VALUES ({id}, '{value}') {upsert}")).await?;
    Ok(())
}

async fn write_on(
    settings: ConnectionSettings,
    keyring: Keyring,
    stop: Arc<AtomicBool>,
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut session = connect(&settings, "writer", &ConnectOptions::default(), &Silent).await?;
    let mut written: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        write(&mut session, &keyring, i32::try_from(written * 7 % 600)?, "written meanwhile").await?;
        written += 1;
    }
    Ok(written)
}
