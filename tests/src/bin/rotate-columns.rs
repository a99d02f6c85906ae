//! Rotates the column `value` of the table `secrets`, batch by batch, so that a test can kill it anywhere:
//! `rotate-columns DSN VERB OLD NEW`, the verb being a mode, `cut-over`, `rollback` or `finalize`; with one more argument in
//! batches of whatever size suits.

#![expect(clippy::print_stderr, clippy::panic, reason = "its output is the test's")]

use std::process::ExitCode;
use std::sync::Arc;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Job, Result};
use lifeboat_rotate::columns::KeyFormat;
use lifeboat_rotate::sweep::{KeyPair, KeySource, SweepOptions, Target, finalize, rollback, run};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match rotated(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.chain());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn rotated(arguments: &[String]) -> Result<()> {
    let [dsn, verb, old, new, adaptive @ ..] = arguments else { panic!("rotate-columns DSN VERB OLD NEW") };
    let source = |secret: &String| KeySource { secret: secret.clone().into(), format: KeyFormat::Sha256, id: None };
    let target = Target {
        table: "secrets".parse()?,
        column: Some("value".to_owned()),
        layout: "base64(iv tag ct)".parse()?,
        key_columns: None,
        aad: "".parse()?,
        keys: Arc::new(KeyPair { old: source(old), new: source(new) }),
    };
    let mode = match verb.as_str() {
        "cut-over" | "rollback" | "finalize" => None,
        mode => Some(mode.parse()?),
    };
    let options = SweepOptions {
        mode,
        cut_over: verb == "cut-over",
        batch_rows: adaptive.is_empty().then_some(50),
        ..SweepOptions::default()
    };
    let job = Job::new(Arc::new(Silent), CancellationToken::new());
    let settings = ConnectionSettings::parse(dsn, &|_| None)?;
    let targets = [target];
    lifeboat_tests::run(async {
        match verb.as_str() {
            "rollback" => rollback(&settings, &targets, &options, &job).await.map(drop),
            "finalize" => finalize(&settings, &targets, &options, &job).await.map(drop),
            _ => run(&settings, &targets, &options, &job).await.map(drop),
        }
    })
}
