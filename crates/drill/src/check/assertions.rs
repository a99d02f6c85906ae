//! `assert …`: what the operator's own SQL says about the restored data.
//!
//! A query runs alone in a transaction that cannot write, with a time limit, and as a role without a superuser's rights where
//! that can read what the query asks for: what it calls came with the backup.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat_backup::archive::Archive;
use lifeboat_backup::postgres::sqlstate::{INSUFFICIENT_PRIVILEGE, QUERY_CANCELED};
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal, sqlstate_of};
use lifeboat_core::{Error, Job, Kind, Result};
use tokio_postgres::SimpleQueryMessage;

use super::expect::{Expect, Wanted};
use super::freshness::span;
use super::said::{Check, Said, one_line};
use super::session::open;
use super::{CheckReport, Subject};

/// A query of the operator's, and what its one value has to be.
#[derive(Clone, Debug)]
pub struct Assert {
    /// Its name.
    pub name: String,
    /// One statement that gives one row of one column.
    pub sql: String,
    /// What that has to be.
    pub expect: Expect,
    /// How long it may take.
    pub timeout: Duration,
}

/// Runs all assertions of the options, each as a check of its own. To be called when subscriptions, user mappings and
/// scheduled jobs of the restored database are disarmed.
///
/// # Errors
/// [`Kind::Cancelled`], and nothing else.
pub async fn assert_all(subject: &Subject<'_>, job: &Job) -> Result<Vec<CheckReport>> {
    let mut reports = Vec::new();
    for assert in &subject.options.asserts {
        job.step(&format!("assert {}", assert.name));
        let Assert { name, sql, expect, .. } = assert;
        let check = Check::new(format!("assert {name}"), format!("{} gives {expect}", one_line(sql)));
        reports.push(check.run(job.run(Box::pin(run(assert, subject, job)))).await?);
    }
    Ok(reports)
}

async fn run(assert: &Assert, subject: &Subject<'_>, job: &Job) -> Result<Said> {
    let mut session = open(subject.target, "drill-assert", job).await?;
    let asked = tokio::time::timeout(assert.timeout + GRACE, ask(&mut session, assert, subject)).await;
    let (answer, notes) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if sqlstate_of(&error) == Some(QUERY_CANCELED) => return Ok(too_long(assert)),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(too_long(assert)),
    };
    session.close().await;
    Ok(judge(&answer, &assert.expect, subject.archive.manifest.snapshot).with(notes))
}

fn too_long(assert: &Assert) -> Said {
    Said::inconclusive(format!("it did not end within {}", span(assert.timeout.as_secs())))
}

/// What a query gave.
#[derive(Debug, PartialEq)]
enum Answer {
    Value(Option<String>),
    /// A time, in seconds since 1970, and how the server prints it.
    Time(f64, String),
    /// Why it is no value.
    Broken(String),
}

/// Asks as a role that only reads; where that may not, as whoever restored, and says so.
async fn ask(session: &mut DirectSession, assert: &Assert, subject: &Subject<'_>) -> Result<(Answer, Option<String>)> {
    let begin = begin(assert, subject.archive);
    let has_reader = session.text(CAN_BE_READER).await?.as_deref() == Some("t");
    if has_reader {
        session.execute(&format!("{begin}; SET LOCAL ROLE pg_read_all_data")).await?;
        match value(session, assert).await {
            Err(error) if sqlstate_of(&error) == Some(INSUFFICIENT_PRIVILEGE) => {
                session.execute("ROLLBACK").await?;
                session.execute(&begin).await?;
                let note = format!("ran with all rights: as pg_read_all_data it says {}", error.chain());
                return Ok((value(session, assert).await?, Some(note)));
            }
            other => return Ok((other?, None)),
        }
    }
    session.execute(&begin).await?;
    Ok((value(session, assert).await?, None))
}

/// The search path is the database's own, which not every restore sets. Rows that a policy hides are an error: what is left
/// would look like all.
fn begin(assert: &Assert, archive: &Archive) -> String {
    let settings = &archive.index.database.settings;
    let path = settings.iter().find(|setting| setting.role.is_none() && setting.name == "search_path");
    let path =
        path.map(|path| format!("; SELECT pg_catalog.set_config('search_path', {}, true)", quote_literal(&path.value)));
    format!(
        "RESET search_path; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; \
         SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1; \
         SET LOCAL statement_timeout = {}{}",
        assert.timeout.as_millis().max(1),
        path.unwrap_or_default()
    )
}

async fn value(session: &mut DirectSession, assert: &Assert) -> Result<Answer> {
    // To prepare takes one statement only, so that none can end the transaction and write.
    let prepared = session.client().prepare(&assert.sql).await;
    let columns = prepared.map_err(|error| session.failed("run it", error))?.columns().len();
    if columns != 1 {
        return Ok(Answer::Broken(format!("it gives {columns} columns, and has to give one")));
    }
    // By a cursor: of a query that gives a million rows, two are enough.
    session.execute(&format!("DECLARE lifeboat_assert NO SCROLL CURSOR FOR {}", assert.sql)).await.map_err(plain)?;
    let fetched = session.client().simple_query("FETCH 2 FROM lifeboat_assert").await;
    let fetched = fetched.map_err(|error| session.failed("run it", error))?;
    let rows = fetched.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    match &*rows.collect::<Vec<_>>() {
        [] => Ok(Answer::Broken("it gives no row, and has to give one".to_owned())),
        [Some(value)] if matches!(assert.expect.wanted, Wanted::Fresh(_)) => time(session, value).await,
        [value] => Ok(Answer::Value(value.clone())),
        _ => Ok(Answer::Broken("it gives several rows, and has to give one".to_owned())),
    }
}

fn plain(error: Error) -> Error {
    error.while_doing("run it")
}

/// The server knows how it prints times.
async fn time(session: &mut DirectSession, value: &str) -> Result<Answer> {
    let query = format!("SELECT extract(epoch FROM {}::pg_catalog.timestamptz)", quote_literal(value));
    match session.text(&query).await {
        Ok(seconds) => {
            match seconds.and_then(|seconds| seconds.parse().ok()).filter(|seconds: &f64| seconds.is_finite()) {
                Some(seconds) => Ok(Answer::Time(seconds, value.to_owned())),
                None => Ok(Answer::Broken(format!("it gives {}, which is no time", shown(value)))),
            }
        }
        Err(error)
            if error.kind() != Kind::Cancelled && sqlstate_of(&error).is_some_and(|state| state.starts_with("22")) =>
        {
            Ok(Answer::Broken(format!("it gives {}, which is no time", shown(value))))
        }
        Err(error) => Err(error),
    }
}

fn judge(answer: &Answer, expect: &Expect, snapshot: Timestamp) -> Said {
    match (answer, &expect.wanted) {
        (Answer::Broken(why), _) => Said::inconclusive(why.clone()),
        (Answer::Value(None), _) => Said::failed(format!("it gives NULL; {expect} is expected")),
        (Answer::Time(seconds, text), Wanted::Fresh(limit)) => {
            let age = (snapshot.as_millisecond() as f64 / 1000.0 - seconds).max(0.0);
            let told = format!("{text} is {} before the snapshot", span(age as u64));
            let is_fresh = age <= limit.as_secs_f64();
            if is_fresh { Said::passed(told) } else { Said::failed(format!("{told}; {expect} is expected")) }
        }
        (Answer::Value(Some(value)) | Answer::Time(_, value), _) => match expect.holds(value) {
            Some(true) => Said::passed(format!("it gives {}", shown(value))),
            Some(false) => Said::failed(format!("it gives {}; {expect} is expected", shown(value))),
            None => Said::inconclusive(format!("it gives {}, which cannot be compared with {expect}", shown(value))),
        },
    }
}

/// A value as the report shows it.
fn shown(value: &str) -> String {
    one_line(value)
}

/// To be it takes a superuser or a member; servers before 14 do not have it.
const CAN_BE_READER: &str = "SELECT pg_catalog.pg_has_role(current_user, oid, 'MEMBER') FROM pg_catalog.pg_roles \
                             WHERE rolname = 'pg_read_all_data'";
/// How long the server may take to see that the time is up.
const GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::{Answer, judge};

    fn outcome(answer: &Answer, expect: &str) -> (Verdict, String) {
        let said = judge(answer, &expect.parse().unwrap(), "2026-11-21T02:00:00Z".parse().unwrap());
        (said.outcome, said.summary)
    }

    fn value(text: &str) -> Answer {
        Answer::Value(Some(text.to_owned()))
    }

    #[test]
    fn a_value_that_is_not_as_expected_fails_with_both() {
        assert_eq!(outcome(&value("101"), "> 100"), (Verdict::Passed, "it gives 101".to_owned()));
        assert_eq!(outcome(&value("99"), "> 100"), (Verdict::Failed, "it gives 99; > 100 is expected".to_owned()));
        assert_eq!(outcome(&Answer::Value(None), "> 100").0, Verdict::Failed);
        assert_eq!(outcome(&value("many"), "> 100").0, Verdict::Inconclusive);
        assert_eq!(outcome(&Answer::Broken("two".into()), "> 100").0, Verdict::Inconclusive);
    }

    #[test]
    fn freshness_is_measured_from_the_snapshot() {
        let snapshot = 1_795_226_400.0; // 2026-11-21T02:00:00Z
        let at = |hours: f64| Answer::Time(snapshot - hours * 3600.0, "then".to_owned());
        assert_eq!(outcome(&at(26.0), "fresh 26h").0, Verdict::Passed);
        assert_eq!(outcome(&at(-1.0), "fresh 26h").0, Verdict::Passed, "rows may bear a time in the future");
        let (old, said) = outcome(&at(27.0), "fresh 26h");
        assert_eq!((old, said.as_str()), (Verdict::Failed, "then is 27h before the snapshot; fresh 26h is expected"));
    }
}
