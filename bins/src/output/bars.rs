//! Progress on a terminal: one bar with its line of numbers.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::console::Console;
use super::meter::Meter;
use super::reporter::Voice;

/// The bar.
pub(crate) struct Bars {
    console: Console,
    bar: ProgressBar,
}

impl Bars {
    /// A bar on the console.
    pub(crate) fn new(console: Console) -> Self {
        let bar = console.add(ProgressBar::new(0));
        bar.set_style(style(SPINNER));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { console, bar }
    }

    fn show(&self, meter: &Meter, now: Instant) {
        if let Some((done, total)) = meter.share() {
            self.bar.set_style(style(BAR));
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        self.bar.set_message(meter.line(now));
    }
}

impl Voice for Bars {
    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn step(&mut self, meter: &Meter, _: &str, now: Instant) {
        self.show(meter, now);
    }

    fn progress(&mut self, meter: &Meter, now: Instant) {
        self.show(meter, now);
    }

    fn warning(&mut self, text: &str) {
        self.console.line(&format!("warning: {text}"));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of our own").progress_chars("━╸─")
}

const SPINNER: &str = "{spinner} {wide_msg}";
const BAR: &str = "{spinner} {bar:24} {wide_msg}";
