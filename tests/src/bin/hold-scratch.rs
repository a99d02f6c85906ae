//! Opens a scratch database as a drill does, says so, and holds it until its standard input ends: for tests that kill it.
//!
//! `hold-scratch cluster DIR BIN MAJOR`, `hold-scratch server DIR DSN` or `hold-scratch command DIR DSN`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this program serves tests only: whatever fails here is a failed test"
)]

use std::io::Read as _;
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{DrillId, Job};
use lifeboat_drill::scratch::{Needs, Scratch};
use lifeboat_tests::{places, run};
use tokio_util::sync::CancellationToken;

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let options = match words[..] {
        ["cluster", dir, bin, major] => places::cluster(dir.as_ref(), bin.as_ref(), major.parse().unwrap()),
        ["server", dir, dsn] => places::server(dir.as_ref(), dsn),
        ["command", dir, dsn] => places::command(dir.as_ref(), places::SHELL_COMMAND, &[("DSN", dsn)]),
        _ => panic!("hold what? {words:?}"),
    };
    let drill = DrillId::generate(Timestamp::now()).unwrap();
    run(async {
        let job = Job::new(Arc::new(Silent), CancellationToken::new());
        let scratch = Scratch::open(&options, &Needs::default(), &drill, &job).await.unwrap();
        println!("{}", scratch.target().display());
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        scratch.close(&job).await.unwrap();
    });
}
