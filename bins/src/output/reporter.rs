//! The monitor of the binaries: it counts, and lets each voice speak as often as suits it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lifeboat_core::monitor::{Event, Monitor};

use super::meter::Meter;

/// One way of telling progress. Called under a lock: must be quick, must not call back.
pub(crate) trait Voice: Send {
    /// The least time between two calls of [`Voice::progress`].
    fn pace(&self) -> Duration;
    /// A step begins.
    fn step(&mut self, meter: &Meter, step: &str, now: Instant);
    /// Something was counted since the last call.
    fn progress(&mut self, meter: &Meter, now: Instant);
    /// The operator should know something.
    fn warning(&mut self, text: &str);
}

/// Spreads events to its voices.
pub(crate) struct Reporter(Mutex<State>);

struct State {
    meter: Meter,
    voices: Vec<(Box<dyn Voice>, Instant)>,
}

impl Reporter {
    /// A reporter that begins counting now.
    pub(crate) fn new(voices: Vec<Box<dyn Voice>>) -> Self {
        let now = Instant::now();
        let voices = voices.into_iter().map(|voice| (voice, now)).collect();
        Self(Mutex::new(State { meter: Meter::new(now), voices }))
    }

    fn hear(&self, event: &Event<'_>, now: Instant) {
        // A voice that panicked must not silence the others.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { meter, voices } = &mut *state;
        match event {
            Event::Step(step) => {
                meter.step(step);
                voices.iter_mut().for_each(|(voice, _)| voice.step(meter, step, now));
            }
            Event::Expect(counter, total) => meter.expect(*counter, *total),
            Event::Count(counter, by) => {
                meter.count(*counter, *by, now);
                for (voice, spoke) in
                    voices.iter_mut().filter(|(voice, spoke)| now.duration_since(*spoke) >= voice.pace())
                {
                    voice.progress(meter, now);
                    *spoke = now;
                }
            }
            Event::Warning(text) => voices.iter_mut().for_each(|(voice, _)| voice.warning(text)),
            Event::Retry { doing, attempt, error } => {
                let text = format!("attempt {attempt} to {doing} failed and will be repeated: {error}");
                voices.iter_mut().for_each(|(voice, _)| voice.warning(&text));
            }
            _ => {}
        }
    }
}

impl Monitor for Reporter {
    fn event(&self, event: &Event<'_>) {
        self.hear(event, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use lifeboat_core::monitor::{Counter, Event};

    use super::{Meter, Reporter, Voice};

    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Voice for Recorder {
        fn pace(&self) -> Duration {
            Duration::from_secs(1)
        }

        fn step(&mut self, _: &Meter, step: &str, _: Instant) {
            self.0.lock().unwrap().push(format!("step {step}"));
        }

        fn progress(&mut self, _: &Meter, _: Instant) {
            self.0.lock().unwrap().push("progress".to_owned());
        }

        fn warning(&mut self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    #[test]
    fn progress_is_told_no_faster_than_the_voices_pace() {
        let heard = Arc::default();
        let reporter = Reporter::new(vec![Box::new(Recorder(Arc::clone(&heard)))]);
        let begun = Instant::now();
        reporter.hear(&Event::Step("dump"), begun);
        for tenth in 0..25 {
            reporter.hear(&Event::Count(Counter::Rows, 1), begun + Duration::from_millis(100 * tenth));
        }
        reporter.hear(&Event::Retry { doing: "connect", attempt: 1, error: "refused" }, begun);
        let heard = heard.lock().unwrap();
        let expected =
            ["step dump", "progress", "progress", "attempt 1 to connect failed and will be repeated: refused"];
        assert_eq!(*heard, expected);
    }
}
