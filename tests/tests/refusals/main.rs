//! What an operator meets besides success: every mistake in configuration, connection, arguments or target gets its own
//! message and exit code, nothing half-made stays behind, and no secret gets out on the way.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod arguments;
mod configuration;
mod connecting;
mod credentials;
mod dry_run;
mod environment;
mod listing;
mod output;
mod reading;
mod runs;
mod secrets;
mod service;
mod shop;
mod source;
mod systemd;
mod targets;
mod tls;
mod tools;
