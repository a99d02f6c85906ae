//! `lifeboat drill list`.

use jiff::Timestamp;
use lifeboat_core::drill::DrillEnd;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Name, Result};
use lifeboat_drill::history::{DrillState, ListedDrill, drills};
use serde_json::json;

use crate::cli::DrillListArgs;
use crate::commands::{Context, unknown, unwritten};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::table::{Align, render};
use crate::output::{Outcome, units};

/// Lists drills, newest first.
///
/// # Errors
/// Those of configuration and store; [`Kind::Usage`](lifeboat_core::Kind::Usage) for a name that neither knows.
pub(super) async fn run(args: &DrillListArgs, context: &Context) -> Result<Outcome> {
    let (config, store) = context.reading().await?;
    let wanted = args.database.as_deref().or(context.global.name.as_deref());
    let wanted = wanted.map(str::parse::<Name>).transpose()?;
    let now = Timestamp::now();
    let found = drills(wanted.as_ref(), now, &store.clone().at_first_contact(), &context.job()).await?;
    let (text, exit) = if found.is_empty() {
        nothing(wanted.as_ref(), &config, &store, &context.job()).await?
    } else {
        (table(&found, now), Exit::Success)
    };
    Ok(Outcome { text, json: json!({"store": store.address(), "drills": found}), exit })
}

/// Why there is nothing to list.
async fn nothing(wanted: Option<&Name>, config: &Config, store: &Store, job: &Job) -> Result<(String, Exit)> {
    if let Some(told) = unwritten::told(store, job).await? {
        return Ok(told);
    }
    unknown::refuse_here(wanted, config, store, job).await?;
    let of = wanted.map(|wanted| format!(" of {wanted}")).unwrap_or_default();
    Ok((format!("no drills{of} in {}\n", store.address()), Exit::Success))
}

fn table(drills: &[ListedDrill], now: Timestamp) -> String {
    let head = [
        ("DRILL", Align::Left),
        ("AGE", Align::Right),
        ("VERDICT", Align::Left),
        ("ROWS", Align::Left),
        ("RTO", Align::Right),
        ("SIZE", Align::Right),
        ("BACKUP", Align::Left),
    ];
    let row = |drill: &ListedDrill| {
        let end = drill.end();
        let of_end = |cell: &dyn Fn(&DrillEnd) -> Option<String>| end.and_then(cell).unwrap_or_else(|| "-".to_owned());
        vec![
            format!("{}/{}", drill.database, drill.drill),
            units::age(drill.started, now),
            verdict(&drill.state),
            of_end(&|end| Some(end.proven.name().to_owned())),
            of_end(&|end| end.rto_seconds.map(units::seconds)),
            of_end(&|end| end.opened_backup().map(|_| units::size(end.stored_bytes))),
            of_end(&|end| Some(format!("{} ({})", end.backup.as_ref()?, end.class.as_ref()?))),
        ]
    };
    render(&head, &drills.iter().map(row).collect::<Vec<_>>())
}

fn verdict(state: &DrillState) -> String {
    match state {
        DrillState::Ended { end } => match &end.error_kind {
            Some(kind) => format!("{}: {kind}", end.verdict.name()),
            None => end.verdict.name().to_owned(),
        },
        DrillState::Unfinished => "runs, or lost".to_owned(),
        DrillState::Lost => "lost".to_owned(),
        DrillState::Unreadable { reason } => format!("unreadable: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::drill::DrillEnd;
    use lifeboat_drill::history::{DrillState, ListedDrill};
    use serde_json::json;

    use super::table;

    #[test]
    fn drills_are_listed_with_verdict_rto_and_backup() {
        let end: DrillEnd = serde_json::from_value(json!({
            "format": 1, "tool": "lifeboat 0.1.0", "drill": "20261201T040000Z-7f3a9c", "run": "20261201T040000Z-01ab23",
            "database": "shop", "started": "2026-12-01T04:00:00Z", "finished": "2026-12-01T04:01:40Z", "class": "daily",
            "backup": "20261201T021700Z-aabbcc", "verdict": "passed", "exit_code": 0, "proven": "all", "rto_seconds": 62.5,
            "stored_bytes": 1048576, "sql_bytes": 4194304, "rows": 1000,
        }))
        .unwrap();
        let listed = |id: &str, state| {
            let drill: lifeboat_core::DrillId = id.parse().unwrap();
            ListedDrill { database: "shop".parse().unwrap(), started: drill.start(), drill, state }
        };
        let drills = [
            listed("20261202T040000Z-000000", DrillState::Unfinished),
            listed("20261201T040000Z-7f3a9c", DrillState::Ended { end: Box::new(end) }),
            listed("20261101T040000Z-000000", DrillState::Lost),
        ];
        let expected = "\
DRILL                              AGE  VERDICT        ROWS     RTO      SIZE  BACKUP
shop/20261202T040000Z-000000    1 hour  runs, or lost  -          -         -  -
shop/20261201T040000Z-7f3a9c  25 hours  passed         all   1m 02s  1.00 MiB  20261201T021700Z-aabbcc (daily)
shop/20261101T040000Z-000000   31 days  lost           -          -         -  -
";
        assert_eq!(table(&drills, "2026-12-02T05:00:00Z".parse().unwrap()), expected);
    }
}
