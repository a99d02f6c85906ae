//! Proves and decompresses a range in a thread of its own: that is most of our part of the work, and would keep every other
//! session's rows waiting.

use bytes::Bytes;
use lifeboat_core::Result;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::proof::RangeProof;

/// A range on its way. The thread ends when nobody gives gzip bytes or takes SQL any more.
pub(super) struct Proving {
    /// Takes the range's gzip bytes in order; dropped after the last.
    pub(super) gzip_bytes: mpsc::Sender<Bytes>,
    /// Gives what they decompress to, unproven.
    pub(super) sql: mpsc::Receiver<Vec<u8>>,
    /// Whether all of it is proven: true of nothing before it says so.
    pub(super) ended: JoinHandle<Result<()>>,
}

impl Proving {
    pub(super) fn start(proof: RangeProof) -> Self {
        let (gzip_bytes, to_prove) = mpsc::channel(1);
        let (proven, sql) = mpsc::channel(STEPS_AHEAD);
        let ended = tokio::task::spawn_blocking(move || prove(proof, to_prove, &proven));
        Self { gzip_bytes, sql, ended }
    }
}

fn prove(mut proof: RangeProof, mut gzip_bytes: mpsc::Receiver<Bytes>, sql: &mpsc::Sender<Vec<u8>>) -> Result<()> {
    while let Some(block) = gzip_bytes.blocking_recv() {
        for step in block.chunks(STEP_BYTES) {
            if sql.blocking_send(proof.push(step)?).is_err() {
                break;
            }
        }
    }
    let rest = proof.finish()?;
    // Nobody takes it any more where the restore has ended: then nobody asks how this ended.
    let _ = sql.blocking_send(rest);
    Ok(())
}

/// Gzip bytes that are decompressed at once: a few times as many SQL bytes, and 16 MiB at the very worst.
const STEP_BYTES: usize = 16 << 10;
const STEPS_AHEAD: usize = 3;
