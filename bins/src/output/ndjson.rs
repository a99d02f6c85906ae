//! Progress for programs: one JSON record a line on stdout.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::meter::Meter;
use super::reporter::Voice;
use super::result::print_line;

/// Records on stdout. A reader that went away does not end the run.
pub(crate) struct Ndjson;

impl Voice for Ndjson {
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn step(&mut self, _: &Meter, step: &str, _: Instant) {
        say(STEP, json!({"step": step}));
    }

    fn progress(&mut self, meter: &Meter, now: Instant) {
        say(PROGRESS, meter.json(now));
    }

    fn warning(&mut self, text: &str) {
        say(WARNING, json!({"warning": text}));
    }
}

fn say(schema: &str, fields: Value) {
    let _ = print_line(&record(schema, Timestamp::now(), fields).to_string());
}

/// A record: its schema, its time, and fields of its own.
pub(crate) fn record(schema: &str, time: Timestamp, fields: Value) -> Value {
    let mut record = json!({"schema": schema, "time": time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()});
    if let (Value::Object(record), Value::Object(fields)) = (&mut record, fields) {
        record.extend(fields);
    }
    record
}

pub(super) const STEP: &str = "lifeboat/step/v1";
pub(super) const PROGRESS: &str = "lifeboat/progress/v1";
pub(super) const WARNING: &str = "lifeboat/warning/v1";

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::record;

    #[test]
    fn a_record_carries_schema_and_time() {
        let record = record("lifeboat/step/v1", Timestamp::UNIX_EPOCH, json!({"step": "dump"}));
        assert_eq!(record, json!({"schema": "lifeboat/step/v1", "time": "1970-01-01T00:00:00.000Z", "step": "dump"}));
    }
}
