//! What people and programs see: stdout carries results, stderr everything else.
//!
//! Rendering is pure and tested; the few functions that print are in [`console`] and [`result`].

mod bars;
mod console;
#[cfg(test)]
mod contract;
mod error;
mod lines;
mod meter;
mod ndjson;
mod reporter;
mod result;
mod status;
pub(crate) mod table;

use std::io::{IsTerminal as _, stderr, stdout};
use std::sync::Arc;

use lifeboat_core::monitor::Monitor;
pub(crate) use lifeboat_core::units;

pub(crate) use console::Console;
pub(crate) use error::{distinct_chain, render as error_text};
pub(crate) use result::Outcome;

use crate::config::{Environment, env_vars};
use reporter::{Reporter, Voice};

/// How this run speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Results, steps and progress are NDJSON on stdout.
    pub(crate) json: bool,
    /// Nothing but warnings, errors and results.
    pub(crate) quiet: bool,
    /// Colour on stdout.
    pub(crate) stdout_colour: bool,
    /// Colour on stderr.
    pub(crate) stderr_colour: bool,
    /// Progress bars on stderr.
    pub(crate) bars: bool,
}

impl Style {
    /// The style that flags, environment and terminals ask for.
    pub(crate) fn detect(json: bool, quiet: bool, environment: &Environment) -> Self {
        Self::choose(json, quiet, environment, stdout().is_terminal(), stderr().is_terminal())
    }

    fn choose(json: bool, quiet: bool, environment: &Environment, stdout: bool, stderr: bool) -> Self {
        let dumb = environment.var(env_vars::TERM).is_none_or(|term| term == "dumb");
        let colour = environment.var(env_vars::NO_COLOR).is_none() && !dumb;
        Self {
            json,
            quiet,
            stdout_colour: colour && stdout && !json,
            stderr_colour: colour && stderr,
            bars: stderr && !dumb && !json && !quiet,
        }
    }
}

/// The monitor that tells an operation's progress in this style.
pub(crate) fn monitor(style: Style, console: &Console, environment: &Environment) -> Arc<dyn Monitor> {
    let mut voices: Vec<Box<dyn Voice>> = Vec::new();
    match style {
        Style { json: true, .. } => voices.push(Box::new(ndjson::Ndjson)),
        Style { bars: true, .. } => voices.push(Box::new(bars::Bars::new(console.clone()))),
        _ => voices.push(Box::new(lines::Lines::new(console.clone(), style.quiet))),
    }
    if environment.var(env_vars::NOTIFY_SOCKET).is_some() {
        voices.push(Box::new(status::Status));
    }
    Arc::new(Reporter::new(voices))
}

/// Prints the run's last words: the outcome on stdout, or the error on stderr; with `--json` the result record.
pub(crate) fn conclude(
    style: Style,
    console: &Console,
    ended: &lifeboat_core::Result<Outcome>,
    exit: crate::exit::Exit,
) -> std::io::Result<()> {
    console.finish();
    match ended {
        _ if style.json => result::print_line(&result::record(ended, exit).to_string()),
        Ok(outcome) => result::print_text(&outcome.text),
        Err(error) => {
            console.line(error::render(error, style.stderr_colour).trim_end());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Style;
    use crate::config::Environment;

    #[test]
    fn colour_and_bars_need_a_terminal_and_consent() {
        let terminal = Environment::from([("TERM", "xterm")]);
        let plain = Environment::from([("TERM", "xterm"), ("NO_COLOR", "1")]);
        let full = Style::choose(false, false, &terminal, true, true);
        assert!(full.stdout_colour && full.stderr_colour && full.bars);
        let uncoloured = Style::choose(false, false, &plain, true, true);
        assert!(!uncoloured.stdout_colour && !uncoloured.stderr_colour && uncoloured.bars);
        assert!(!Style::choose(false, false, &terminal, true, false).bars);
        assert!(!Style::choose(true, false, &terminal, true, true).bars);
        assert!(!Style::choose(false, false, &Environment::from([("TERM", "dumb")]), true, true).bars);
    }
}
