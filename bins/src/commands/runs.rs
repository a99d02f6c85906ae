//! `lifeboat runs`.

use jiff::Timestamp;
use lifeboat_backup::archive::{ListedRun, RunState, RunsOptions, run_details, runs};
use lifeboat_core::run::{DatabaseError, DatabaseResult, RunEnd};
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Kind, Name, Result};
use serde_json::{Value, json};

use super::{Context, unknown, unwritten};
use crate::cli::RunsArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::table::{Align, render};
use crate::output::{Outcome, units};

/// Lists runs, newest first.
///
/// # Errors
/// Those of configuration and store; [`Kind::Usage`] for a name that neither knows.
pub(super) async fn run(args: &RunsArgs, context: &Context) -> Result<Outcome> {
    let (config, store) = context.reading().await?;
    let wanted = args.database.as_deref().or(context.global.name.as_deref());
    let options = RunsOptions {
        database: wanted.map(str::parse::<Name>).transpose()?,
        last: args.last.get(),
        cancel: context.cancel.clone(),
        ..RunsOptions::default()
    };
    let found = runs(&store, &options, context.monitor.clone()).await?;
    let errors = if args.errors { errors(&found, args, &config, &store, context).await? } else { Vec::new() };
    let (text, exit) = if found.is_empty() {
        nothing(options.database.as_ref(), &config, &store, &context.job()).await?
    } else {
        (table(&found, Timestamp::now()) + &errors_text(&found, &errors), Exit::Success)
    };
    let runs: Vec<Value> = found.iter().enumerate().map(|(at, run)| described(run, errors.get(at))).collect();
    Ok(Outcome { text, json: json!({"store": store.address(), "runs": runs}), exit })
}

/// Why there is nothing to list.
async fn nothing(wanted: Option<&Name>, config: &Config, store: &Store, job: &Job) -> Result<(String, Exit)> {
    if let Some(told) = unwritten::told(store, job).await? {
        return Ok(told);
    }
    unknown::refuse_here(wanted, config, store, job).await?;
    let of = wanted.map(|wanted| format!(" of {wanted}")).unwrap_or_default();
    Ok((format!("no runs{of} in {}\n", store.address()), Exit::Success))
}

/// What the errors of each run say. One that cannot be opened is warned of, for the others may be what was asked for.
async fn errors(
    runs: &[ListedRun],
    args: &RunsArgs,
    config: &Config,
    store: &Store,
    context: &Context,
) -> Result<Vec<Vec<DatabaseError>>> {
    let keys = config.encryption.open_keys(args.open.allowed(), &context.environment).await?;
    let (store, job) = (&store.clone().at_first_contact(), &context.job());
    let mut all = Vec::new();
    for run in runs {
        let mut found = run.end().map(told).unwrap_or_default();
        let is_kept_apart = run.end().is_some_and(|end| end.results.iter().any(|it| failed(it) && it.error.is_none()));
        if is_kept_apart {
            match run_details(&run.run, store, &keys, job).await {
                Ok(details) => found.extend(details.errors),
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => job.warn(&format!("could not read what went wrong in {}: {}", run.run, error.chain())),
            }
        }
        all.push(found);
    }
    Ok(all)
}

/// What the record itself says.
fn told(end: &RunEnd) -> Vec<DatabaseError> {
    let told = |result: &DatabaseResult| {
        Some(DatabaseError { database: result.database.clone(), error: result.error.clone()? })
    };
    end.results.iter().filter_map(told).collect()
}

fn failed(result: &DatabaseResult) -> bool {
    result.error_kind.is_some()
}

fn errors_text(runs: &[ListedRun], errors: &[Vec<DatabaseError>]) -> String {
    let of_run = |(run, errors): (&ListedRun, &Vec<DatabaseError>)| {
        let line = |error: &DatabaseError| format!("\n{} {}: {}\n", run.run, error.database, error.error);
        errors.iter().map(line).collect::<String>()
    };
    runs.iter().zip(errors).map(of_run).collect()
}

fn described(run: &ListedRun, errors: Option<&Vec<DatabaseError>>) -> Value {
    let mut json = json!(run);
    json["outcome"] = outcome(&run.state).into();
    json["seconds"] = json!(run.end().map(seconds));
    json["stored_bytes"] = json!(run.end().map(stored_bytes));
    if let Some(errors) = errors {
        json["errors"] = json!(errors);
    }
    json
}

fn table(runs: &[ListedRun], now: Timestamp) -> String {
    let head = [
        ("RUN", Align::Left),
        ("AGE", Align::Right),
        ("TOOK", Align::Right),
        ("OUTCOME", Align::Left),
        ("SIZE", Align::Right),
        ("DATABASES", Align::Left),
    ];
    let row = |run: &ListedRun| {
        let of_end = |cell: &dyn Fn(&RunEnd) -> String| run.end().map_or_else(|| "-".to_owned(), cell);
        vec![
            run.run.to_string(),
            units::age(run.started, now),
            of_end(&|end| units::seconds(seconds(end))),
            outcome(&run.state),
            of_end(&|end| units::size(stored_bytes(end))),
            databases(run),
        ]
    };
    render(&head, &runs.iter().map(row).collect::<Vec<_>>())
}

fn outcome(state: &RunState) -> String {
    match state {
        RunState::Ended { end } if end.exit_code == 0 => "ok".to_owned(),
        RunState::Ended { end } if end.exit_code == Kind::Partial.exit_code() => "partial".to_owned(),
        RunState::Ended { end } => match end.results.iter().find_map(|result| result.error_kind.as_ref()) {
            Some(kind) => format!("failed: {kind}"),
            None => format!("failed: exit code {}", end.exit_code),
        },
        RunState::Unfinished => "runs, or lost".to_owned(),
        RunState::Lost => "lost".to_owned(),
        RunState::Unreadable { reason } => format!("unreadable: {reason}"),
    }
}

/// Of several databases those that failed say how.
fn databases(run: &ListedRun) -> String {
    let results = run.end().map(|end| end.results.as_slice()).unwrap_or_default();
    let name = |database: &Name| {
        let result = results.iter().find(|result| result.database == *database);
        match result.and_then(|result| result.error_kind.as_ref()).filter(|_| run.databases.len() > 1) {
            Some(kind) => format!("{database} ({kind})"),
            None => database.to_string(),
        }
    };
    run.databases.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn seconds(end: &RunEnd) -> f64 {
    end.finished.duration_since(end.start.started).as_secs_f64().max(0.0)
}

fn stored_bytes(end: &RunEnd) -> u64 {
    end.results.iter().map(|result| result.stored_bytes).sum()
}

#[cfg(test)]
mod tests {
    use lifeboat_backup::archive::{ListedRun, RunState};
    use lifeboat_core::run::RunEnd;
    use serde_json::json;

    use super::table;

    fn ended(id: &str, exit_code: u8, results: &serde_json::Value) -> ListedRun {
        let run: lifeboat_core::RunId = id.parse().unwrap();
        let end: RunEnd = serde_json::from_value(json!({
            "format": 1, "tool": "lifeboat 0.1.0", "run": id, "started": run.start(), "databases": ["control", "data"],
            "finished": run.start() + jiff::SignedDuration::from_secs(62), "exit_code": exit_code, "results": results,
        }))
        .unwrap();
        let (started, databases) = (run.start(), end.start.databases.clone());
        ListedRun { run, started, databases, state: RunState::Ended { end: Box::new(end) } }
    }

    #[test]
    fn runs_are_listed_with_what_became_of_them() {
        let good = |name: &str| json!({"database": name, "backup": "20261121T021701Z-7f3a9c", "stored_bytes": 1 << 20});
        let bad = |name: &str, kind: &str| json!({"database": name, "stored_bytes": 0, "error_kind": kind});
        let run: lifeboat_core::RunId = "20261122T021700Z-000004".parse().unwrap();
        let (started, databases) = (run.start(), vec!["control".parse().unwrap()]);
        let runs = [
            ListedRun { run, started, databases, state: RunState::Unfinished },
            ended("20261121T021700Z-000003", 0, &json!([good("control"), good("data")])),
            ended("20261120T021700Z-000002", 3, &json!([good("control"), bad("data", "database")])),
            ended("20261119T021700Z-000001", 75, &json!([bad("control", "try_again"), bad("data", "try_again")])),
        ];
        let expected = "\
RUN                           AGE    TOOK  OUTCOME                SIZE  DATABASES
20261122T021700Z-000004    1 hour       -  runs, or lost             -  control
20261121T021700Z-000003  25 hours  1m 02s  ok                 2.00 MiB  control, data
20261120T021700Z-000002    2 days  1m 02s  partial            1.00 MiB  control, data (database)
20261119T021700Z-000001    3 days  1m 02s  failed: try_again       0 B  control (try_again), data (try_again)
";
        assert_eq!(table(&runs, "2026-11-22T03:17:00Z".parse().unwrap()), expected);
    }
}
