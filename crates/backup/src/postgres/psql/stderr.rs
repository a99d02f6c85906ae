//! What psql says on stderr: the errors of the server, and why it cannot log in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;

use crate::postgres::failure::Cause;
use crate::postgres::sqlstate::ServerError;

const STDERR_BYTES: usize = 64 * 1024;
const STDERR_WITHIN: Duration = Duration::from_millis(200);

/// What psql writes to stderr from a statement on, up to a limit, kept by a task that ends with this value.
pub(super) struct Stderr {
    tail: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Stderr {
    pub(super) fn keep(mut stderr: ChildStderr) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let kept = tail.clone();
        let task = tokio::spawn(async move {
            let mut block = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut block).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let room = STDERR_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&block[..count.min(room)]);
            }
        });
        Self { tail, task }
    }

    pub(super) fn clear(&self) {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What was said, on one line.
    pub(super) fn text(&self) -> String {
        let said = self.said();
        said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.tail.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The first error since the last statement: the last one may only say that the transaction is aborted. It may
    /// arrive after the answer, as it comes through another pipe.
    pub(super) async fn first_error(&self) -> Option<ServerError> {
        for _ in 0..4 {
            if let Some(error) = first_error(&self.said()) {
                return Some(error);
            }
            tokio::time::sleep(STDERR_WITHIN / 4).await;
        }
        None
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads `psql:<stdin>:3: ERROR:  42P01: relation … does not exist` and its DETAIL.
fn first_error(stderr: &str) -> Option<ServerError> {
    let mut lines = stderr.lines().skip_while(|line| severe(line).is_none());
    let (sqlstate, message) = severe(lines.next()?)?;
    let mut error = ServerError {
        sqlstate: sqlstate.to_owned(),
        message: message.to_owned(),
        detail: None,
        hint: None,
        constraint: None,
    };
    for line in lines.take_while(|line| severe(line).is_none()) {
        if let Some(detail) = line.strip_prefix("DETAIL:  ") {
            error.detail.get_or_insert(detail.to_owned());
        }
        if let Some(hint) = line.strip_prefix("HINT:  ") {
            error.hint.get_or_insert(hint.to_owned());
        }
    }
    Some(error)
}

/// What keeps psql from logging in, by its words: it prints no SQLSTATE before there is a session.
pub(super) fn cause_of_login(said: &str) -> Cause {
    let says = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if says(&["is starting up", "is shutting down", "in recovery mode", "not yet accepting connections"]) {
        return Cause::NotReady;
    }
    if says(&["too many clients", "connection slots are reserved", "too many connections"]) {
        return Cause::Full;
    }
    if says(&["Connection refused", "Is the server running"]) { Cause::Refused } else { Cause::Other }
}

fn severe(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = ["ERROR:  ", "FATAL:  ", "PANIC:  "].iter().find_map(|severity| line.split_once(severity))?;
    let (sqlstate, message) = rest.split_once(": ")?;
    let is_code = sqlstate.len() == 5 && sqlstate.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_code.then_some((sqlstate, message))
}

#[cfg(test)]
mod tests {
    use super::{cause_of_login, first_error};

    #[test]
    fn the_first_error_is_the_one_that_counts() {
        let stderr = "psql:<stdin>:3: NOTICE:  00000: hi\npsql:<stdin>:4: ERROR:  42501: permission denied: t\n\
                      DETAIL:  why\nLOCATION:  aclcheck, acl.c:1\nERROR:  25P02: current transaction is aborted\n";
        let error = first_error(stderr).unwrap();
        assert_eq!((error.sqlstate.as_str(), error.message.as_str()), ("42501", "permission denied: t"));
        assert_eq!(error.detail.as_deref(), Some("why"));
        assert_eq!(first_error("psql: error: FATAL:  role \"x\" does not exist\n"), None);
    }

    #[test]
    fn a_server_that_is_not_ready_is_worth_another_try() {
        assert!(cause_of_login("psql: error: FATAL:  the database system is starting up").may_pass());
        assert!(cause_of_login("FATAL:  sorry, too many clients already").may_pass());
        assert!(!cause_of_login("psql: error: FATAL:  role \"x\" does not exist").may_pass());
    }
}
