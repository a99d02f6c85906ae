//! What a restore leaves out where nothing may reach out of the database, or act in it by itself: that of a drill.

use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_core::{Error, Job, Result};

use crate::postgres::sqlstate::{NOT_IN_PREREQUISITE_STATE, UNDEFINED_OBJECT};
use crate::postgres::{DirectSession, Session, quote_literal, sqlstate_of};
use crate::script::{creates_user_mapping, refreshes_materialized_view};

/// Leaves it out, and remembers whether there was anything.
#[derive(Debug, Default)]
pub(super) struct Inert {
    has_left_out: AtomicBool,
}

impl Inert {
    /// Whether a statement is not to be run: it has the password to another server.
    pub(super) fn leaves_out(&self, statement: &[u8]) -> bool {
        let leaves_out = creates_user_mapping(statement);
        self.has_left_out.fetch_or(leaves_out, Ordering::Relaxed);
        leaves_out
    }

    /// Whether a statement failed for want of what was left out: a view over a foreign table has no rows then, nor has a view
    /// over that one.
    pub(super) fn excuses(&self, statement: &[u8], error: &Error) -> bool {
        let is_for_want = || sqlstate_of(error).is_some_and(|state| OUT_OF_REACH.contains(&state) || is_foreign(state));
        self.has_left_out.load(Ordering::Relaxed) && refreshes_materialized_view(statement) && is_for_want()
    }
}

/// Ends the background workers of TimescaleDB, as it asks for before a restore; they would change what is restored.
pub(super) async fn stop_workers(session: &mut DirectSession, job: &Job) -> Result<()> {
    for function in STOP_WORKERS {
        let is_there = format!("SELECT pg_catalog.to_regprocedure({}) IS NOT NULL", quote_literal(function));
        if session.text(&is_there).await?.as_deref() == Some("t") {
            job.step("stop the background workers of TimescaleDB");
            let stopped = session.text(&format!("SELECT {function}")).await;
            return stopped.map(drop).map_err(|error| error.while_doing("stop the background workers of TimescaleDB"));
        }
    }
    Ok(())
}

/// Class HV, errors of foreign data.
fn is_foreign(state: &str) -> bool {
    state.starts_with("HV")
}

/// No user mapping; no connection to the other server; a view without rows.
const OUT_OF_REACH: [&str; 3] = [UNDEFINED_OBJECT, "08001", NOT_IN_PREREQUISITE_STATE];
/// Where releases of TimescaleDB have it.
const STOP_WORKERS: [&str; 2] =
    ["_timescaledb_functions.stop_background_workers()", "_timescaledb_internal.stop_background_workers()"];
