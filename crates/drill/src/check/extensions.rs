//! `extensions`: those of the source are there.

use std::collections::BTreeMap;

use lifeboat_backup::postgres::rows;
use lifeboat_core::index::Extension;
use lifeboat_core::{Job, Result};

use super::said::{Check, Said, many};
use super::session::open_reading;
use super::{CheckReport, Subject};

/// Compares the restored database's extensions with the source's. A dump names no versions: others are told and no failure.
pub(super) async fn check(subject: &Subject<'_>, job: &Job) -> Result<CheckReport> {
    let check = Check::new("extensions", "every extension of the source is there");
    let work = async {
        let mut session = open_reading(subject.target, job).await?;
        let found: Vec<Extension> = rows(&mut session, EXTENSIONS).await?;
        session.close().await;
        Ok(judge(&subject.archive.index.extensions, &found))
    };
    check.run(job.run(work)).await
}

fn judge(expected: &[Extension], found: &[Extension]) -> Said {
    let found: BTreeMap<_, _> = found.iter().map(|extension| (&extension.name, extension)).collect();
    let (mut missing, mut others) = (Vec::new(), Vec::new());
    for Extension { name, version, .. } in expected {
        match found.get(name) {
            None => missing.push(format!("{} is missing", format!("{name} {version}").trim_end())),
            // An imported dump names none.
            Some(here) if !version.is_empty() && here.version != *version => {
                others.push(format!("{name} is of version {}; the source had {version}", here.version));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Said::passed(many(expected.len() as u64, "extension")).with(others);
    }
    let summary = format!("{} of {} missing", missing.len(), many(expected.len() as u64, "extension"));
    Said::failed(summary).with(missing).with(others)
}

const EXTENSIONS: &str = "
SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace";

#[cfg(test)]
mod tests {
    use lifeboat_core::index::Extension;

    use super::super::Verdict;
    use super::judge;

    fn extension(name: &str, version: &str) -> Extension {
        Extension { name: name.into(), version: version.into(), schema: "public".into() }
    }

    #[test]
    fn a_missing_extension_fails_and_another_version_is_told() {
        let source = [extension("hstore", "1.8"), extension("citext", "1.6")];
        let said = judge(&source, &[extension("citext", "1.7"), extension("plpgsql", "1.0")]);
        assert_eq!(said.outcome, Verdict::Failed);
        assert_eq!(said.findings, ["hstore 1.8 is missing", "citext is of version 1.7; the source had 1.6"]);
        assert_eq!(judge(&source, &source).outcome, Verdict::Passed);
    }
}
