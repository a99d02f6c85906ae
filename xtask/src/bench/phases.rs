//! What a drill spent its time on, as its own report tells it.

use serde_json::Value;

/// Seconds of each phase, by its name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Phases(Vec<(String, f64)>);

impl Phases {
    /// Those in the result record of `lifeboat drill run --json`; none in anything else.
    pub(crate) fn read(record: &str) -> Self {
        let record: Value = serde_json::from_str(record).unwrap_or_default();
        let phases = record["result"]["report"]["rto"]["phases"].as_array().into_iter().flatten();
        let named = phases.filter_map(|phase| Some((phase["name"].as_str()?.to_owned(), phase["seconds"].as_f64()?)));
        Self(named.collect())
    }

    /// The seconds that the checks took for each that the restore did.
    pub(crate) fn checks_to_restore(&self) -> Option<f64> {
        Some(self.seconds("checks")? / self.seconds("restore")?)
    }

    /// The seconds until the throwaway cluster took connections.
    pub(crate) fn cluster_up(&self) -> Option<f64> {
        self.seconds("scratch")
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(phase, _)| phase == name).map(|(_, seconds)| *seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::Phases;

    #[test]
    fn phases_are_taken_from_a_drills_result() {
        let record = r#"{"schema": "lifeboat/result/v1", "result": {"report": {"rto": {"phases": [
            {"name": "scratch", "seconds": 1.5, "counts": true}, {"name": "restore", "seconds": 20.0, "counts": true},
            {"name": "checks", "seconds": 8.0, "counts": false}]}}}}"#;
        let phases = Phases::read(record);
        assert_eq!((phases.cluster_up(), phases.checks_to_restore()), (Some(1.5), Some(0.4)));
        assert_eq!(Phases::read("not JSON"), Phases::default());
        assert_eq!(Phases::default().checks_to_restore(), None);
    }
}
