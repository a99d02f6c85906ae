//! What psql says while it runs a script: its last lines, and how many statements failed.
//!
//! Invariant: an error is counted whatever the script makes of it. `\\set ON_ERROR_STOP off` has psql go on and end well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStderr;

/// What psql said.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    last: VecDeque<String>,
    /// Statements and commands that failed, and the first line about one.
    pub(super) failed: u64,
    pub(super) first_failed: String,
}

impl Words {
    /// Its last lines, on one line.
    pub(super) fn last(&self) -> String {
        Vec::from(self.last.clone()).join("; ")
    }

    fn hear(&mut self, line: &str) {
        if line.is_empty() || line.starts_with(LOCATION) {
            return;
        }
        if is_error(line) {
            if self.failed == 0 {
                line.clone_into(&mut self.first_failed);
            }
            self.failed += 1;
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > LINES_KEPT {
            self.last.pop_front();
        }
    }
}

/// Listens to a psql that was told to be verbose, until nobody can say anything any more: that may be long after psql has ended.
pub(super) async fn listen(stderr: Option<ChildStderr>, words: Arc<Mutex<Words>>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let Ok(mut words) = words.lock() else { return };
        words.hear(String::from_utf8_lossy(&line).trim());
    }
}

/// `psql:<stdin>:3: ERROR:  22012: division by zero`, whatever language the server says ERROR in; its own errors have no code.
fn is_error(line: &str) -> bool {
    let Some(said) = line.strip_prefix("psql:").and_then(|rest| rest.splitn(3, ':').nth(2)) else { return false };
    let Some((severity, rest)) = said.trim_start().split_once(':') else { return false };
    let code = rest.trim_start().split_once(':').map_or("", |(code, _)| code);
    let is_code = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    match severity {
        "error" | "ERROR" | "FATAL" | "PANIC" => true,
        "WARNING" | "NOTICE" | "INFO" | "LOG" => false,
        _ => is_code && !NO_ERRORS.iter().any(|class| code.starts_with(class)),
    }
}

/// Success, warnings, "no data", and that there is or is no transaction, of which the server only warns.
const NO_ERRORS: &[&str] = &["00", "01", "02", "25001", "25P01"];
/// Where in the server's source an error comes from.
const LOCATION: &str = "LOCATION:";
const LINES_KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::is_error;

    #[test]
    fn errors_are_told_from_what_psql_says_otherwise_in_any_language() {
        for error in [
            "psql:<stdin>:2: ERROR:  22012: division by zero",
            "psql:<stdin>:2: FEHLER:  42P01: Relation »t« existiert nicht",
            "psql:<stdin>:7: error: invalid command \\nonsense",
            "psql:<stdin>:7: ERROR:  role \"x\" does not exist",
        ] {
            assert!(is_error(error), "{error}");
        }
        for other in [
            "psql:<stdin>:2: NOTICE:  00000: table \"t\" does not exist, skipping",
            "psql:<stdin>:2: WARNING:  25P01: there is no transaction in progress",
            "psql:<stdin>:2: WARNUNG:  25P01: keine Transaktion offen",
            "DETAIL:  Key (a)=(1) already exists.",
            "LINE 1: SELECT 'ERROR:  22012: no'",
            "",
        ] {
            assert!(!is_error(other), "{other}");
        }
    }
}
