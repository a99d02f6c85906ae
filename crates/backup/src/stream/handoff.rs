//! Between the thread that reads and the thread that compresses: the script in batches, a fixed number of them.
//!
//! Reading, lexing and fingerprinting take about a third of the time that compressing and digesting take: on two
//! threads they cost no time. Memory: [`BATCHES`] × [`BATCH_BYTES`].

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use lifeboat_core::Result;
use lifeboat_core::codec::MEMBER_BYTES;
use lifeboat_core::job::cancelled;

use super::output::Output;

/// The reading thread's end.
pub(super) struct Giver {
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

/// The compressing thread's end.
pub(super) struct Taker {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
}

/// A stretch of the script.
#[derive(Debug, Default)]
struct Batch {
    sql: Vec<u8>,
    marks: Vec<(usize, Mark)>,
}

/// What happens at a place in a batch.
#[derive(Debug)]
enum Mark {
    EndRange,
    NextObject(String),
    EndScript,
}

/// Both ends.
pub(super) fn handoff() -> (Giver, Taker) {
    let (give_full, take_full) = sync_channel(BATCHES);
    let (give_empty, take_empty) = sync_channel(BATCHES);
    for _ in 1..BATCHES {
        // A channel that was made for as many takes them.
        let _ = give_empty.send(Batch::default());
    }
    let giver = Giver { batch: Batch::default(), full: give_full, empty: take_empty };
    (giver, Taker { full: take_full, empty: give_empty })
}

impl Giver {
    /// Tells the taker that this was the whole script. Not called, the taker reports an unfinished one.
    pub(super) fn finish(mut self) -> Result<()> {
        self.mark(Mark::EndScript);
        self.full.send(self.batch).map_err(|_| cancelled())
    }

    fn mark(&mut self, mark: Mark) {
        self.batch.marks.push((self.batch.sql.len(), mark));
    }

    /// Waits for an empty batch, so that no more than the fixed number ever exist.
    fn hand_over(&mut self) -> Result<()> {
        let full = std::mem::take(&mut self.batch);
        self.full.send(full).map_err(|_| cancelled())?;
        self.batch = self.empty.recv().map_err(|_| cancelled())?;
        Ok(())
    }
}

impl Output for Giver {
    fn write(&mut self, mut sql: &[u8]) -> Result<()> {
        while self.batch.sql.len() + sql.len() >= BATCH_BYTES {
            let (now, later) = sql.split_at(BATCH_BYTES - self.batch.sql.len());
            self.batch.sql.extend_from_slice(now);
            self.hand_over()?;
            sql = later;
        }
        self.batch.sql.extend_from_slice(sql);
        Ok(())
    }

    /// The next range begins a batch, unless this one has hardly begun: whole batches are then whole members, which the
    /// compressor takes without copying.
    fn end_range(&mut self) -> Result<()> {
        self.mark(Mark::EndRange);
        if self.batch.sql.len() > BATCH_BYTES / 4 { self.hand_over() } else { Ok(()) }
    }

    fn next_object(&mut self, name: String) -> Result<()> {
        self.mark(Mark::NextObject(name));
        Ok(())
    }
}

impl Taker {
    /// Does to `output` what was done to the giver. Gives whether the script was finished: if not, the giver was dropped.
    pub(super) fn apply(self, output: &mut impl Output) -> Result<bool> {
        for mut batch in self.full {
            if batch.apply(output)? {
                return Ok(true);
            }
            batch.sql.clear();
            // The giver may be gone: then the loop ends by itself.
            let _ = self.empty.send(batch);
        }
        Ok(false)
    }
}

impl Batch {
    fn apply(&mut self, output: &mut impl Output) -> Result<bool> {
        let mut start = 0;
        for (end, mark) in self.marks.drain(..) {
            output.write(&self.sql[start..end])?;
            start = end;
            match mark {
                Mark::EndRange => output.end_range()?,
                Mark::NextObject(name) => output.next_object(name)?,
                Mark::EndScript => return Ok(true),
            }
        }
        output.write(&self.sql[start..])?;
        Ok(false)
    }
}

/// Batches in existence: one being filled, one being compressed, the others waiting: tables are easier for one thread or for the other.
pub(crate) const BATCHES: usize = 9;
/// Bytes of a batch: a member's.
pub(crate) const BATCH_BYTES: usize = MEMBER_BYTES;

#[cfg(test)]
mod tests {
    use lifeboat_core::Result;

    use super::{BATCH_BYTES, handoff};
    use crate::stream::output::Output;

    #[derive(Default, PartialEq, Debug)]
    struct Said(Vec<String>, usize);

    impl Output for Said {
        fn write(&mut self, sql: &[u8]) -> Result<()> {
            self.1 += sql.len();
            Ok(())
        }

        fn end_range(&mut self) -> Result<()> {
            self.0.push(format!("range to {}", self.1));
            Ok(())
        }

        fn next_object(&mut self, name: String) -> Result<()> {
            self.0.push(format!("{name} from {}", self.1));
            Ok(())
        }
    }

    fn say(output: &mut impl Output) {
        for number in 0..20 {
            output.write(&vec![b'x'; BATCH_BYTES / 7 * number]).unwrap();
            output.end_range().unwrap();
            output.next_object(number.to_string()).unwrap();
        }
    }

    #[test]
    fn what_is_given_is_taken_in_the_same_order() {
        let (mut giver, taker) = handoff();
        let taking = std::thread::spawn(|| {
            let mut said = Said::default();
            (taker.apply(&mut said).unwrap(), said)
        });
        say(&mut giver);
        giver.finish().unwrap();
        let mut direct = Said::default();
        say(&mut direct);
        assert_eq!(taking.join().unwrap(), (true, direct));
    }

    #[test]
    fn a_script_that_is_given_up_is_not_finished() {
        let (mut giver, taker) = handoff();
        let taking = std::thread::spawn(|| taker.apply(&mut Said::default()).unwrap());
        say(&mut giver);
        drop(giver);
        assert!(!taking.join().unwrap());
    }

    #[test]
    fn a_taker_that_is_gone_ends_the_giver() {
        let (mut giver, taker) = handoff();
        drop(taker);
        giver.write(b"x").unwrap();
        assert!(giver.finish().is_err());
    }
}
