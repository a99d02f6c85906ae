//! The one seam through which a long operation speaks: progress bars, NDJSON, `STATUS=` and tests are monitors.
//!
//! Invariant: no operation's result depends on its monitor, and no event carries a secret.

/// Receives what an operation has to say. Called from several threads; must return quickly and never panic.
pub trait Monitor: Send + Sync {
    /// One event, in the order it happened on its thread.
    fn event(&self, event: &Event<'_>);
}

/// What happened. New events may be added.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step begins: a short verb phrase, such as "lock 12 tables".
    Step(&'a str),
    /// How much of a counter the operation expects in all; an estimate.
    Expect(Counter, u64),
    /// So much more of a counter is done.
    Count(Counter, u64),
    /// Something the operator should know that does not fail the run.
    Warning(&'a str),
    /// An attempt failed and will be repeated.
    Retry {
        /// What is attempted.
        doing: &'a str,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why, as one line.
        error: &'a str,
    },
}

/// What is counted. Bytes come in three kinds: SQL bytes before gzip, gzip bytes before sealing, stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Counter {
    /// SQL bytes dumped or restored.
    SqlBytes,
    /// Bytes sent to the store and acknowledged.
    StoredBytes,
    /// Bytes read from the store.
    FetchedBytes,
    /// Rows of tables.
    Rows,
    /// Objects committed to the store.
    Objects,
}

/// A monitor that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn event(&self, _: &Event<'_>) {}
}
