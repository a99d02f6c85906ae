//! The last thing a run says on stdout.

use std::io::{self, Write as _, stdout};

use jiff::Timestamp;
use lifeboat_core::{Error, Result};
use serde_json::{Value, json};

use super::error::distinct_chain;
use super::ndjson;
use crate::config::Problems;
use crate::exit::Exit;

/// What a command that ended in order has to say.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// For people, on stdout.
    pub(crate) text: String,
    /// For programs: the `result` of the result record.
    pub(crate) json: Value,
    /// How the run ended; a partial success is an outcome too.
    pub(crate) exit: Exit,
}

impl Outcome {
    /// Everything went well.
    pub(crate) fn success(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, exit: Exit::Success }
    }
}

/// The result record, the last line of every run with `--json`.
pub(crate) fn record(ended: &Result<Outcome>, exit: Exit) -> Value {
    let common = json!({"ok": exit == Exit::Success, "exit_code": exit.code(), "exit_kind": exit.name()});
    let (Value::Object(mut fields), Value::Object(own)) = (common, own_fields(ended)) else { return Value::Null };
    fields.extend(own);
    ndjson::record(RESULT, Timestamp::now(), Value::Object(fields))
}

fn own_fields(ended: &Result<Outcome>) -> Value {
    match ended {
        Ok(outcome) => json!({"result": outcome.json}),
        Err(error) => json!({"error": distinct_chain(error), "hint": error.help(), "problems": problems(error)}),
    }
}

fn problems(error: &Error) -> Vec<String> {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<Problems>()).map(Problems::lines).unwrap_or_default()
}

/// Writes a line to stdout at once.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes text to stdout as it is.
pub(crate) fn print_text(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

pub(super) const RESULT: &str = "lifeboat/result/v1";

#[cfg(test)]
mod tests {
    use lifeboat_core::{Error, Kind};
    use serde_json::json;

    use super::{Outcome, record};
    use crate::exit::Exit;

    #[test]
    fn an_error_is_a_result_too() {
        let ended = Err(Error::new(Kind::Integrity, "check dump-0000.sql.gz").hint("use another backup"));
        let record = record(&ended, Exit::Failed(Kind::Integrity));
        assert_eq!(record["schema"], "lifeboat/result/v1");
        assert_eq!(
            (&record["ok"], &record["exit_code"], &record["exit_kind"]),
            (&json!(false), &json!(30), &json!("integrity"))
        );
        assert_eq!(
            (&record["error"], &record["hint"]),
            (&json!("check dump-0000.sql.gz"), &json!("use another backup"))
        );
    }

    #[test]
    fn a_success_carries_what_the_command_returns() {
        let record = record(&Ok(Outcome::success("", json!({"backups": []}))), Exit::Success);
        assert_eq!((&record["ok"], &record["result"]["backups"]), (&json!(true), &json!([])));
    }
}
