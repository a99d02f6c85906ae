//! Which chunks are still to be dumped. A worker that is lost gives its own back to the others.
//!
//! Invariant: a chunk is waiting, in somebody's hands, or settled. Nobody leaves while a chunk is in another's hands: it may
//! come back.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::rows::Chunk;

/// The chunks of one dump.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    waiting: VecDeque<Chunk>,
    in_hands: usize,
    workers: usize,
}

impl Queue {
    /// `chunks` for `workers`.
    pub(super) fn new(chunks: Vec<Chunk>, workers: usize) -> Self {
        let state = State { waiting: chunks.into(), in_hands: 0, workers };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The next chunk that waits, if one does.
    pub(super) fn take(&self) -> Option<Chunk> {
        let mut state = self.lock();
        let chunk = state.waiting.pop_front()?;
        state.in_hands += 1;
        Some(chunk)
    }

    /// So many chunks that were taken are safe: they will not come back.
    pub(super) fn settle(&self, chunks: usize) {
        self.lock().in_hands -= chunks;
        self.changed.notify_waiters();
    }

    /// Puts chunks back that were taken; others will dump them.
    pub(super) fn give_back(&self, chunks: Vec<Chunk>) {
        let mut state = self.lock();
        state.in_hands -= chunks.len();
        state.waiting.extend(chunks);
        drop(state);
        self.changed.notify_waiters();
    }

    /// A worker leaves for good; whether others are left.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.workers -= 1;
        state.workers > 0
    }

    /// Waits until a chunk waits again, or all are settled; whether there is more to do. To be called with empty hands.
    pub(super) async fn wait(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let state = self.lock();
                if !state.waiting.is_empty() {
                    return true;
                }
                if state.in_hands == 0 {
                    return false;
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Queue;
    use crate::rows::Chunk;

    fn chunks(count: usize) -> Vec<Chunk> {
        (0..count).map(|table| Chunk { table, pages: None, bytes: 1, tries: 0 }).collect()
    }

    #[tokio::test]
    async fn who_has_nothing_to_do_waits_for_what_may_come_back() {
        let queue = Arc::new(Queue::new(chunks(2), 2));
        let (first, second) = (queue.take().unwrap(), queue.take().unwrap());
        queue.settle(1);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.wait().await.then(|| queue.take()).flatten() }
        });
        tokio::task::yield_now().await;
        queue.give_back(vec![second.clone()]);
        assert!(queue.leave());
        assert_eq!(waiting.await.unwrap(), Some(second));
        queue.settle(1);
        assert!(!queue.wait().await, "{first:?} was settled before");
        assert!(!queue.leave());
    }

    #[tokio::test]
    async fn an_empty_queue_has_no_work() {
        let queue = Queue::new(Vec::new(), 1);
        assert!(queue.take().is_none());
        assert!(!queue.wait().await);
    }
}
