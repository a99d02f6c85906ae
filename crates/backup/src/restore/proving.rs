//! Proves and decompresses a range in a thread of its own: that is most of our part of the work, and would keep every other
//! session's rows waiting.

use bytes::Bytes;
use lifeboat_core::Result;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::proof::RangeProof;

/// A range on its way. The thread ends when nobody gives compressed bytes or takes SQL any more.
pub(super) struct Proving {
    /// Takes the range's compressed bytes in order; dropped after the last.
    pub(super) compressed_bytes: mpsc::Sender<Bytes>,
    /// Gives what they decompress to, unproven.
    pub(super) sql: mpsc::Receiver<Vec<u8>>,
    /// Whether all of it is proven: true of nothing before it says so.
    pub(super) ended: JoinHandle<Result<()>>,
}

impl Proving {
    pub(super) fn start(proof: RangeProof) -> Self {
        let (compressed_bytes, to_prove) = mpsc::channel(1);
        let (proven, sql) = mpsc::channel(STEPS_AHEAD);
        let ended = tokio::task::spawn_blocking(move || prove(proof, to_prove, &proven));
        Self { compressed_bytes, sql, ended }
    }
}

fn prove(
    mut proof: RangeProof,
    mut compressed_bytes: mpsc::Receiver<Bytes>,
    sql: &mpsc::Sender<Vec<u8>>,
) -> Result<()> {
    while let Some(block) = compressed_bytes.blocking_recv() {
        let mut block = &block[..];
        while !block.is_empty() && sql.blocking_send(proof.push(&mut block)?).is_ok() {}
    }
    let rest = proof.finish()?;
    // Nobody takes it any more where the restore has ended: then nobody asks how this ended.
    let _ = sql.blocking_send(rest);
    Ok(())
}

const STEPS_AHEAD: usize = 3;
