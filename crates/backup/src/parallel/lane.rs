//! From a worker's session to its thread: rows in batches, a fixed number of them.
//!
//! The session's side is async and must never block: the uploader, which the thread may wait for, runs beside it. Memory:
//! [`BATCHES`] × [`BATCH_BYTES`] for each worker.

use lifeboat_core::Result;
use lifeboat_core::codec::MEMBER_BYTES;
use lifeboat_core::job::cancelled;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::blocks::{Blocks, DataObject, Objects};

/// The session's end.
pub(super) struct Lane {
    batch: Vec<u8>,
    orders: mpsc::Sender<Order>,
    empty: mpsc::Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<()>>>,
    object_bytes: u64,
}

enum Order {
    Begin {
        relation: usize,
        copy_line: Vec<u8>,
    },
    /// A batch, which is given back empty.
    Rows(Vec<u8>),
    /// The rows of a small table, or the end of a large one's.
    Few(Vec<u8>),
    End,
    Finish(oneshot::Sender<Vec<DataObject>>),
    GiveUp,
}

impl Lane {
    /// Starts the thread that writes `blocks`.
    pub(super) fn start<O: Objects + Send + 'static>(blocks: impl FnOnce() -> Blocks<O> + Send + 'static) -> Self {
        let (orders, taken) = mpsc::channel(ORDERS);
        let (give_empty, empty) = mpsc::channel(BATCHES);
        for _ in 1..BATCHES {
            // A channel that was made for as many takes them.
            let _ = give_empty.try_send(Vec::with_capacity(BATCH_BYTES));
        }
        // The compressors cannot change their thread: they are made on it.
        let thread = tokio::task::spawn_blocking(move || obey(&mut blocks(), taken, &give_empty));
        Self { batch: Vec::with_capacity(BATCH_BYTES), orders, empty, thread: Some(thread), object_bytes: 0 }
    }

    /// Begins a block.
    pub(super) async fn begin(&mut self, relation: usize, copy_line: Vec<u8>) -> Result<()> {
        self.object_bytes += copy_line.len() as u64;
        self.order(Order::Begin { relation, copy_line }).await
    }

    /// Takes rows of the block.
    pub(super) async fn rows(&mut self, mut rows: &[u8]) -> Result<()> {
        // Whole batches are whole members, which the compressor takes without copying.
        while self.batch.len() + rows.len() >= BATCH_BYTES {
            let (now, later) = rows.split_at(BATCH_BYTES - self.batch.len());
            self.batch.extend_from_slice(now);
            self.hand_over().await?;
            rows = later;
        }
        self.batch.extend_from_slice(rows);
        Ok(())
    }

    /// Whether rows fit without waiting; they are taken then.
    pub(super) fn try_rows(&mut self, rows: &[u8]) -> bool {
        let fits = self.batch.len() + rows.len() < BATCH_BYTES;
        if fits {
            self.batch.extend_from_slice(rows);
        }
        fits
    }

    /// Ends the block.
    pub(super) async fn end(&mut self) -> Result<()> {
        if self.batch.len() > FEW_BYTES {
            self.hand_over().await?;
        } else if !self.batch.is_empty() {
            // A copy, so that a small table does not wait until the one before it is compressed.
            let few = Order::Few(self.batch.clone());
            self.object_bytes += self.batch.len() as u64;
            self.batch.clear();
            self.order(few).await?;
        }
        self.order(Order::End).await
    }

    /// SQL bytes since the last [`Lane::finish`].
    pub(super) fn object_bytes(&self) -> u64 {
        self.object_bytes
    }

    /// Ends the object at hand; gives all objects since the last time.
    pub(super) async fn finish(&mut self) -> Result<Vec<DataObject>> {
        self.object_bytes = 0;
        let (tell, told) = oneshot::channel();
        self.order(Order::Finish(tell)).await?;
        match told.await {
            Ok(objects) => Ok(objects),
            Err(_) => Err(self.why_gone().await),
        }
    }

    /// Lets go of everything since the last [`Lane::finish`].
    pub(super) async fn give_up(&mut self) -> Result<()> {
        self.batch.clear();
        self.object_bytes = 0;
        self.order(Order::GiveUp).await
    }

    async fn hand_over(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.object_bytes += batch.len() as u64;
        self.order(Order::Rows(batch)).await?;
        match self.empty.recv().await {
            Some(empty) => self.batch = empty,
            None => return Err(self.why_gone().await),
        }
        Ok(())
    }

    async fn order(&mut self, order: Order) -> Result<()> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.why_gone().await),
        }
    }

    /// The thread ends only when its lane does, or by an error.
    async fn why_gone(&mut self) -> lifeboat_core::Error {
        let Some(thread) = self.thread.take() else { return cancelled() };
        match thread.await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => cancelled(),
            Err(_) => lifeboat_core::Error::new(lifeboat_core::Kind::Failure, "compress: the thread panicked"),
        }
    }
}

fn obey<O: Objects>(
    blocks: &mut Blocks<O>,
    mut orders: mpsc::Receiver<Order>,
    empty: &mpsc::Sender<Vec<u8>>,
) -> Result<()> {
    // An answer that nobody waits for any more is no error.
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Begin { relation, copy_line } => blocks.begin(relation, &copy_line)?,
            Order::Rows(mut batch) => {
                blocks.rows(&batch)?;
                batch.clear();
                let _ = empty.try_send(batch);
            }
            Order::Few(rows) => blocks.rows(&rows)?,
            Order::End => blocks.end()?,
            Order::Finish(tell) => {
                let _ = tell.send(blocks.finish()?);
            }
            Order::GiveUp => blocks.give_up(),
        }
    }
    Ok(())
}

/// Batches in existence: one being filled, one being compressed.
pub(super) const BATCHES: usize = 2;
/// Bytes of a batch: a member's.
pub(super) const BATCH_BYTES: usize = MEMBER_BYTES;
/// Orders on their way: those of a few small tables, of at most [`FEW_BYTES`] each.
const ORDERS: usize = 16;
const FEW_BYTES: usize = 64 << 10;
