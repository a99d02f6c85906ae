//! Logs: text on stderr, or the journal's own protocol when stderr is the journal.

use std::fs::File;
use std::io::stderr;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use tracing_journald::{Layer as JournalLayer, Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Environment, env_vars};
use crate::output::{Console, Style};

/// Installs the subscriber of this process. A second call, or a filter that makes no sense, changes nothing.
pub(crate) fn install(verbosity: u8, style: Style, console: &Console, environment: &Environment) {
    let filter = match environment.var(env_vars::LOG) {
        Some(text) => EnvFilter::new(text),
        None => EnvFilter::new(directives(verbosity)),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let _ = match journal(environment) {
        Some(layer) => registry.with(layer).try_init(),
        None => {
            let text = fmt::layer().with_writer(console.clone()).with_ansi(style.stderr_colour).with_target(false);
            registry.with(text).try_init()
        }
    };
}

fn directives(verbosity: u8) -> &'static str {
    match verbosity {
        0 => "warn",
        1 => "warn,lifeboat=info,lifeboat_core=info,lifeboat_backup=info",
        2 => "warn,lifeboat=debug,lifeboat_core=debug,lifeboat_backup=debug",
        _ => "info,lifeboat=trace,lifeboat_core=trace,lifeboat_backup=trace",
    }
}

fn journal(environment: &Environment) -> Option<JournalLayer> {
    if !stderr_is(environment.var(env_vars::JOURNAL_STREAM)?) {
        return None;
    }
    let mappings =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    Some(JournalLayer::new().ok()?.with_priority_mappings(mappings).with_field_prefix(Some("LIFEBOAT".to_owned())))
}

/// The variable alone proves nothing: it is inherited by children whose stderr goes elsewhere.
fn stderr_is(stream: &str) -> bool {
    let Ok(owned) = stderr().as_fd().try_clone_to_owned() else { return false };
    File::from(owned).metadata().is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::stderr_is;

    #[test]
    fn another_stream_is_not_taken_for_stderr() {
        assert!(!stderr_is("0:0") && !stderr_is("") && !stderr_is("x"));
    }
}
