//! Sweeps over cases and moments: bounded in an ordinary run, whole in a long one.

use crate::scratch;

/// Whether sweeps run whole: `LIFEBOAT_TEST_LONG` says so.
pub fn long() -> bool {
    std::env::var_os("LIFEBOAT_TEST_LONG").is_some()
}

/// Random numbers that can be had again: the seed is printed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// New ones, or those of `LIFEBOAT_TEST_SEED`.
    pub fn new(test: &str) -> Dice {
        let given = std::env::var("LIFEBOAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(scratch::unique);
        eprintln!("{test}: LIFEBOAT_TEST_SEED={seed}");
        Dice(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    /// So many numbers from 0 to 1: one in each of as many equal slices, in random order.
    pub fn fractions(&mut self, count: u32) -> Vec<f64> {
        let mut slices: Vec<u32> = (0..count).collect();
        let mut fractions = Vec::new();
        while !slices.is_empty() {
            let slice = slices.swap_remove(self.below(slices.len() as u64) as usize);
            fractions.push((f64::from(slice) + self.below(1000) as f64 / 1000.0) / f64::from(count));
        }
        fractions
    }
}
