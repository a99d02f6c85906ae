//! A server to restore files into.

use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lifeboat_tests::foreign::PASSPHRASE;
use lifeboat_tests::{Database, Lifeboat, Outcome, Postgres, unused_name};

/// `lifeboat restore --from FILE` with the passphrase, into what `name` names; not run yet.
pub(crate) fn restore(file: &Path, server: &Postgres, name: &str) -> Lifeboat {
    typed(file, server, name).arg("--json")
}

/// The same as an operator types it, who reads text.
pub(crate) fn typed(file: &Path, server: &Postgres, name: &str) -> Lifeboat {
    Lifeboat::new()
        .args(["restore", "--into", "env:TARGET_URL", "--passphrase", "env:PASSPHRASE", "--from"])
        .arg(file)
        .env("TARGET_URL", server.dsn(name))
        .env("PASSPHRASE", PASSPHRASE)
        .env("LIFEBOAT_TOOLS_DIR", &server.installation.bin)
}

/// A database made of a file.
#[track_caller]
pub(crate) fn restored<'s>(file: &Path, server: &'s Postgres, options: &[&str]) -> Database<'s> {
    let database = server.adopt(&unused_name("restored"));
    restore(file, server, &database.name).args(["--create", "--jobs", "2"]).args(options).run().expect(0);
    database
}

/// How a restore ends that must leave nothing.
#[track_caller]
pub(crate) fn refused(file: &Path, server: &Postgres, code: i32, options: &[&str]) -> Outcome {
    let name = unused_name("refused");
    let outcome = restore(file, server, &name).arg("--create").args(options).run().expect(code);
    assert_eq!(server.databases_like(&name), "", "{}", outcome.text());
    outcome
}

/// Whether somebody without a key reads `needle` in these bytes: as they are, or after gunzip, as far as that goes.
pub(crate) fn tells(bytes: &[u8], needle: &[u8]) -> bool {
    let mut unpacked = Vec::new();
    // What is being written, and what was cut, is read to where it ends.
    let _ = MultiGzDecoder::new(bytes).read_to_end(&mut unpacked);
    [bytes, &unpacked].iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

/// What the last record says went wrong, and what to do.
pub(crate) fn said(outcome: &Outcome) -> String {
    let record = outcome.last_record();
    format!("{} {}", record["error"], record["hint"])
}
