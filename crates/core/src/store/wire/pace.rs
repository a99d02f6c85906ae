//! No more bytes in a second than allowed, over all requests together.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives each chunk its turn, in the order in which they ask.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: NonZeroU64,
    /// When all that had a turn is through.
    free: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` may move. What was not used before is not made up for.
    pub(super) async fn turn(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second.get() as f64);
        let turn = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*free).max(Instant::now());
            *free = turn + takes;
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    #[tokio::test(start_paused = true)]
    async fn requests_at_once_share_what_is_allowed() {
        let pace = Arc::new(Pace::new(NonZeroU64::new(1000).unwrap()));
        let began = Instant::now();
        let request = |pace: Arc<Pace>| async move {
            for _ in 0..10 {
                pace.turn(100).await;
            }
        };
        tokio::join!(request(pace.clone()), request(pace.clone()), request(pace.clone()));
        // The last of 30 chunks goes when 29 are through.
        let took = began.elapsed();
        assert!((Duration::from_millis(2899)..Duration::from_millis(2950)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_hour_is_not_made_up_for() {
        let pace = Pace::new(NonZeroU64::new(1000).unwrap());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let began = Instant::now();
        for _ in 0..3 {
            pace.turn(1000).await;
        }
        assert!(began.elapsed() >= Duration::from_secs(2));
    }
}
