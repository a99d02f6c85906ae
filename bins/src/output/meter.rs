//! Counters of a running operation, and the one progress line made of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lifeboat_core::monitor::Counter;
use serde_json::{Value, json};

use super::units;

/// What was counted since the operation began.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    begun: Instant,
    step: String,
    done: BTreeMap<Counter, u64>,
    expected: BTreeMap<Counter, u64>,
    first: BTreeMap<Counter, Instant>,
}

impl Meter {
    /// Nothing counted yet.
    pub(crate) fn new(begun: Instant) -> Self {
        Self { begun, step: String::new(), done: BTreeMap::new(), expected: BTreeMap::new(), first: BTreeMap::new() }
    }

    /// A step begins.
    pub(crate) fn step(&mut self, step: &str) {
        step.clone_into(&mut self.step);
    }

    /// So much is expected from now on: what an operation before this one has counted is not part of it.
    pub(crate) fn expect(&mut self, counter: Counter, total: u64) {
        self.expected.insert(counter, total);
        self.done.remove(&counter);
        self.first.remove(&counter);
    }

    /// More is done.
    pub(crate) fn count(&mut self, counter: Counter, by: u64, now: Instant) {
        self.first.entry(counter).or_insert(now);
        let done = self.done.entry(counter).or_default();
        *done = done.saturating_add(by);
    }

    /// Done and expected of the counter that tells most: the first of them with an expectation.
    pub(crate) fn share(&self) -> Option<(u64, u64)> {
        let counter = MAIN.into_iter().find(|counter| self.expected.get(counter).is_some_and(|total| *total > 0))?;
        let total = self.expected[&counter];
        Some((self.done(counter).min(total), total))
    }

    /// `12% · 1.21 GiB · 1,200 rows · 98.2 MiB/s · 3m 20s left · dump rows`.
    pub(crate) fn line(&self, now: Instant) -> String {
        let mut words = Vec::new();
        words.extend(self.share().map(|(done, total)| format!("{}%", percent(done, total))));
        if let Some(counter) = self.main() {
            words.push(units::size(self.done(counter)));
            if self.done(Counter::Rows) > 0 {
                words.push(units::counted(self.done(Counter::Rows), "row"));
            }
            words.extend(self.rate(counter, now).map(|rate| format!("{}/s", units::size(rate as u64))));
        }
        words.extend(self.left(now).map(|left| format!("{} left", units::duration(left))));
        if !self.step.is_empty() {
            words.push(self.step.clone());
        }
        words.join(" · ")
    }

    /// The counters for programs.
    pub(crate) fn json(&self, now: Instant) -> Value {
        let counts = NAMES
            .into_iter()
            .filter(|(counter, _)| self.done.contains_key(counter) || self.expected.contains_key(counter));
        let one = |(counter, name): (Counter, &str)| {
            (name.to_owned(), json!({"done": self.done(counter), "expected": self.expected.get(&counter)}))
        };
        json!({
            "step": self.step,
            "elapsed_secs": now.duration_since(self.begun).as_secs(),
            "counts": counts.map(one).collect::<serde_json::Map<_, _>>(),
        })
    }

    fn done(&self, counter: Counter) -> u64 {
        self.done.get(&counter).copied().unwrap_or(0)
    }

    fn main(&self) -> Option<Counter> {
        MAIN.into_iter().find(|counter| self.done(*counter) > 0)
    }

    fn rate(&self, counter: Counter, now: Instant) -> Option<f64> {
        let secs = now.duration_since(*self.first.get(&counter)?).as_secs_f64();
        (secs >= RATE_AFTER_SECS).then(|| self.done(counter) as f64 / secs)
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let counter = MAIN.into_iter().find(|counter| self.expected.contains_key(counter))?;
        let rate = self.rate(counter, now)?;
        let missing = self.expected[&counter].checked_sub(self.done(counter)).filter(|missing| *missing > 0)?;
        Duration::try_from_secs_f64(missing as f64 / rate).ok()
    }
}

/// Never 100 before the operation says so: expectations are estimates.
fn percent(done: u64, total: u64) -> u64 {
    u64::try_from(u128::from(done) * 100 / u128::from(total.max(1))).unwrap_or(99).min(99)
}

/// Bytes of the data itself tell more than bytes on the wire.
const MAIN: [Counter; 3] = [Counter::SqlBytes, Counter::FetchedBytes, Counter::StoredBytes];
pub(super) const NAMES: [(Counter, &str); 5] = [
    (Counter::SqlBytes, "sql_bytes"),
    (Counter::StoredBytes, "stored_bytes"),
    (Counter::FetchedBytes, "fetched_bytes"),
    (Counter::Rows, "rows"),
    (Counter::Objects, "objects"),
];
const RATE_AFTER_SECS: f64 = 1.0;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use lifeboat_core::monitor::Counter;

    use super::Meter;

    #[test]
    fn an_operation_after_another_counts_anew() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        for _ in 0..2 {
            meter.expect(Counter::SqlBytes, 1000);
            meter.count(Counter::SqlBytes, 250, begun);
        }
        assert_eq!(meter.share(), Some((250, 1000)));
    }

    #[test]
    fn the_line_tells_share_size_rate_and_time_left() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        assert_eq!(meter.line(begun), "");
        meter.step("dump rows");
        meter.expect(Counter::SqlBytes, 400 << 20);
        meter.count(Counter::SqlBytes, 50 << 20, begun);
        meter.count(Counter::SqlBytes, 50 << 20, begun);
        meter.count(Counter::Rows, 1200, begun);
        let line = meter.line(begun + Duration::from_secs(10));
        assert_eq!(line, "25% · 100 MiB · 1,200 rows · 10.0 MiB/s · 30.0 s left · dump rows");
    }

    #[test]
    fn an_estimate_that_was_too_low_never_shows_more_than_all() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        meter.expect(Counter::SqlBytes, 10);
        meter.count(Counter::SqlBytes, 1000, begun);
        assert_eq!(meter.share(), Some((10, 10)));
        assert!(meter.line(begun + Duration::from_secs(5)).starts_with("99% · 1000 B"));
    }

    #[test]
    fn programs_get_every_counter_by_name() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        meter.count(Counter::Objects, 2, begun);
        let json = meter.json(begun + Duration::from_secs(3));
        assert_eq!(json["counts"]["objects"]["done"], 2);
        assert_eq!(json["elapsed_secs"], 3);
        assert!(json["counts"].get("rows").is_none());
    }
}
