//! Talking to Postgres: how a server is named, reached and trusted, and what a session with it promises.
//!
//! Three invariants are guarded here. A password is never in an argument, in a child's environment, in a log or in an
//! error. A session never runs under the time limits or the search path that a role or a database has set for
//! applications. And whatever a session talks through, an error carries the server's own words and SQLSTATE.
//!
//! The connection settings are those of libpq, so that a text that works with `psql` works here.

pub mod connect;
pub mod conninfo;
pub mod credentials;
mod driver;
pub mod environment;
mod failure;
mod open;
mod parameters;
pub mod pgpass;
mod pooler;
pub mod psql;
pub mod quote;
mod service;
pub mod session;
pub mod settings;
pub mod sqlstate;
pub mod ssl;
mod tls;

pub use connect::{ConnectOptions, Retry, connect};
pub use credentials::{ClientFiles, ToolCall};
pub use environment::Environment;
pub(crate) use pooler::refuse_dropped_options;
pub use pooler::refuse_transaction_pooler;
pub use psql::{PsqlOptions, PsqlSession, connect_through};
pub use quote::{quote_ident, quote_literal};
pub(crate) use session::decode;
pub use session::{DirectSession, ServerState, Session, rows};
pub use settings::{ConnectionSettings, Endpoint, Host, Keepalives, TargetSession};
pub use sqlstate::{RECOVERY_CONFLICT, ServerError, server_error_of, sqlstate_of};
pub use ssl::{ChannelBinding, SslMode, SslRoot, SslSettings};
