//! `lifeboat drill show`.

use jiff::Timestamp;
use lifeboat_core::drill::DrillEnd;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Kind, Result, ResultExt};
use lifeboat_drill::DrillReport;
use lifeboat_drill::history::{DrillState, drills};
use lifeboat_drill::record::{read_evidence, read_report, read_report_bytes};
use lifeboat_drill::report;
use serde_json::{Value, json};

use super::find;
use crate::cli::{DrillShowArgs, Form};
use crate::commands::Context;
use crate::output::Outcome;

/// Shows the report of a drill in one of its forms.
///
/// # Errors
/// Those of finding and opening it.
pub(super) async fn run(args: &DrillShowArgs, context: &Context) -> Result<Outcome> {
    let (config, store) = context.reading().await?;
    let (database, drill) = find(&args.drill, &config, &store, context).await?;
    let keys = config.encryption.open_keys(args.open.allowed(), &context.environment).await?;
    let (store, job) = (&store.at_first_contact(), &context.job());
    if args.form == Form::Evidence {
        let envelope = read_evidence(&database, &drill, store, &keys, job).await?;
        return as_is(envelope);
    }
    if args.form == Form::Json {
        // To the byte: evidence has its digest.
        let bytes = read_report_bytes(&database, &drill, store, &keys, job).await?;
        DrillReport::parse(&bytes, &database, &drill)?;
        return as_is(bytes);
    }
    let report = read_report(&database, &drill, store, &keys, job).await?;
    let text = match args.form {
        Form::Junit => report::junit(&report),
        Form::Markdown => report::markdown(&report),
        Form::Html => report::html(&report, &earlier(&report, store, job).await?),
        _ => report::text(&report),
    };
    Ok(Outcome::success(text, json!({ "report": report })))
}

/// A document that is printed to the byte.
fn as_is(document: Vec<u8>) -> Result<Outcome> {
    let json: Value = serde_json::from_slice(&document).kind_of(Kind::Integrity, || "read the document".into())?;
    let text = String::from_utf8(document).kind_of(Kind::Integrity, || "read the document".into())?;
    Ok(Outcome::success(text, json))
}

/// How this drill and those before it ended, oldest first.
async fn earlier(report: &DrillReport, store: &Store, job: &Job) -> Result<Vec<DrillEnd>> {
    let listed = drills(Some(&report.database), Timestamp::now(), store, job).await?;
    let ends = listed.into_iter().filter(|drill| drill.drill <= report.drill).filter_map(|drill| match drill.state {
        DrillState::Ended { end } => Some(*end),
        _ => None,
    });
    let mut ends: Vec<_> = ends.take(DRAWN).collect();
    ends.reverse();
    Ok(ends)
}

/// Two years of months.
const DRAWN: usize = 24;
