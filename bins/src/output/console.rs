//! stderr, shared by progress bars, log lines and messages so that none of them tears another.

use std::io::{self, Write};

use indicatif::{MultiProgress, ProgressBar};
use tracing_subscriber::fmt::MakeWriter;

/// The way to stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Console(MultiProgress);

impl Console {
    /// Writes a line above the bars. A closed stderr is no reason to fail.
    pub(crate) fn line(&self, text: &str) {
        self.0.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    /// Puts a bar below the lines.
    pub(crate) fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.0.add(bar)
    }

    /// Removes the bars.
    pub(crate) fn finish(&self) {
        let _ = self.0.clear();
        self.0.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Console {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
