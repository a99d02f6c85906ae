//! `lifeboat store test`.

use jiff::Timestamp;
use lifeboat_core::store::{Answer, Behaviour, Finding, ProbeReport, layout};
use lifeboat_core::{Kind, Result};
use serde_json::json;

use super::Context;
use crate::cli::{Expected, StoreCommand, StoreTestArgs};
use crate::exit::Exit;
use crate::output::Outcome;
use crate::output::table::{Align, render};

/// Tries what the store does.
///
/// # Errors
/// Those of configuration and store, when nothing could be tried.
pub(super) async fn run(command: StoreCommand, context: &Context) -> Result<Outcome> {
    let StoreCommand::Test(args) = command;
    let config = context.config(context.global.flags())?;
    let probe = config.store.probe(&context.environment).await?;
    let report = Box::pin(probe.run(Timestamp::now(), &context.job())).await?;
    Ok(concluded(args, &report))
}

fn concluded(args: StoreTestArgs, report: &ProbeReport) -> Outcome {
    let unmet = args.expect.map(|expected| unmet(expected, report)).unwrap_or_default();
    let exit = match (unmet.is_empty(), is_of_use(report)) {
        (false, _) => Exit::Failed(Kind::Policy),
        (_, false) => Exit::Failed(Kind::Failure),
        _ => Exit::Success,
    };
    let json = json!({"probe": report, "unexpected": unmet});
    Outcome { text: text(report) + &unexpected_text(&unmet), json, exit }
}

/// Whether anything can be done with this key: back up, or restore.
fn is_of_use(report: &ProbeReport) -> bool {
    let all = |behaviours: [Behaviour; 2]| behaviours.iter().all(|one| report.answer(*one) == Some(Answer::Ok));
    all([Behaviour::Write, Behaviour::Multipart]) || all([Behaviour::Read, Behaviour::List])
}

/// What the key may do and should not, or the other way round.
fn unmet(expected: Expected, report: &ProbeReport) -> Vec<String> {
    let (may, may_not) = match expected {
        Expected::WriteOnly => {
            (vec![Behaviour::Write, Behaviour::Multipart], vec![Behaviour::Read, Behaviour::List, Behaviour::Delete])
        }
        Expected::ReadOnly => (vec![Behaviour::Read, Behaviour::List], vec![Behaviour::Write, Behaviour::Delete]),
    };
    let wanted = may.into_iter().map(|one| (one, Answer::Ok));
    let wanted = wanted.chain(may_not.into_iter().map(|one| (one, Answer::Denied)));
    let told = wanted.filter_map(|(one, wanted)| {
        let answer = report.answer(one)?;
        (answer != wanted).then(|| format!("{}: {answer}, not {wanted}", one.text()))
    });
    told.collect()
}

fn unexpected_text(unmet: &[String]) -> String {
    if unmet.is_empty() {
        return String::new();
    }
    format!("\nThe key has other rights than expected:\n  {}\n", unmet.join("\n  "))
}

fn text(report: &ProbeReport) -> String {
    let head = [("TRIED", Align::Left), ("ANSWER", Align::Left), ("WHAT FOLLOWS", Align::Left)];
    let row =
        |found: &Finding| vec![found.behaviour.text().to_owned(), found.answer.to_string(), found.follows.clone()];
    let table = render(&head, &report.findings.iter().map(row).collect::<Vec<_>>());
    format!("{}\n\n{table}{}{}{}{}", report.store, said(report), clock(report), settings(report), left(report))
}

/// What the store said where it neither did it nor refused this key.
fn said(report: &ProbeReport) -> String {
    let unclear =
        |found: &&Finding| matches!(found.answer, Answer::Unsupported | Answer::Inconclusive | Answer::Ignored);
    let lines: String = report
        .findings
        .iter()
        .filter(unclear)
        .filter_map(|found| Some(format!("  {}: {}\n", found.behaviour.text(), found.detail.as_ref()?)))
        .collect();
    if lines.is_empty() { lines } else { format!("\nIts words:\n{lines}") }
}

fn clock(report: &ProbeReport) -> String {
    match report.clock_ahead_seconds {
        Some(seconds) if seconds.abs() > CLOCK_SECONDS => {
            let (far, way) = (seconds.abs(), if seconds > 0 { "ahead of" } else { "behind" });
            format!(
                "\nThe store's clock is {far} s {way} this host's: at 15 minutes it refuses everything. Set this host's clock.\n"
            )
        }
        _ => String::new(),
    }
}

fn settings(report: &ProbeReport) -> String {
    if report.settings.is_empty() {
        return "\nThe settings in [store] fit.\n".to_owned();
    }
    let line =
        |advice: &lifeboat_core::store::Advice| format!("{} = {}   # {}\n", advice.key, advice.value, advice.because);
    format!("\nFor [store] in lifeboat.toml:\n{}", report.settings.iter().map(line).collect::<String>())
}

fn left(report: &ProbeReport) -> String {
    let mut text = String::new();
    if !report.left.is_empty() {
        let (many, folder) = (report.left.len(), folder(report));
        text += &format!(
            "\n{many} objects stay in {folder}: this key may not delete them; another one, or a lifecycle rule, may.\n"
        );
    }
    if report.uploads_left > 0 {
        text += &format!(
            "\n{} uploads stay open in {}: this key may not abort them.\n",
            report.uploads_left,
            folder(report)
        );
    }
    text
}

fn folder(report: &ProbeReport) -> String {
    format!("{}/ under the store's prefix", layout::probe_folder(&report.probe))
}

const CLOCK_SECONDS: i64 = 60;

#[cfg(test)]
mod tests {
    use lifeboat_core::store::{Advice, Answer, Behaviour, Finding, ProbeReport};

    use super::concluded;
    use crate::cli::{Expected, StoreTestArgs};

    fn report(answers: &[(Behaviour, Answer)]) -> ProbeReport {
        let finding = |(behaviour, answer): &(Behaviour, Answer)| Finding {
            behaviour: *behaviour,
            answer: *answer,
            detail: (*answer == Answer::Unsupported).then(|| "the store answered 501".to_owned()),
            follows: "so it is".to_owned(),
        };
        ProbeReport {
            store: "s3://bucket/prod".to_owned(),
            probe: "20261121T021700Z-7f3a9c".parse().unwrap(),
            findings: answers.iter().map(finding).collect(),
            settings: Vec::new(),
            clock_ahead_seconds: Some(0),
            left: Vec::new(),
            uploads_left: 0,
        }
    }

    const WRITER: [(Behaviour, Answer); 5] = [
        (Behaviour::Write, Answer::Ok),
        (Behaviour::Multipart, Answer::Ok),
        (Behaviour::Read, Answer::Denied),
        (Behaviour::List, Answer::Denied),
        (Behaviour::Delete, Answer::Denied),
    ];

    fn code(expect: Option<Expected>, report: &ProbeReport) -> u8 {
        concluded(StoreTestArgs { expect }, report).exit.code()
    }

    #[test]
    fn a_key_that_may_only_write_is_fine_and_one_that_may_do_nothing_is_not() {
        assert_eq!(code(None, &report(&WRITER)), 0);
        assert_eq!(code(Some(Expected::WriteOnly), &report(&WRITER)), 0);
        assert_eq!(code(Some(Expected::ReadOnly), &report(&WRITER)), 40);
        assert_eq!(code(None, &report(&WRITER.map(|(one, _)| (one, Answer::Denied)))), 1);
    }

    #[test]
    fn a_right_too_many_is_named() {
        let mut answers = WRITER;
        answers[4].1 = Answer::Ok;
        let outcome = concluded(StoreTestArgs { expect: Some(Expected::WriteOnly) }, &report(&answers));
        assert_eq!(outcome.exit.code(), 40);
        assert!(
            outcome.text.ends_with("other rights than expected:\n  delete an object: ok, not denied\n"),
            "{}",
            outcome.text
        );
    }

    #[test]
    fn what_is_told_has_the_words_of_the_store_and_lines_to_copy() {
        let mut report = report(&[(Behaviour::Write, Answer::Ok), (Behaviour::PartNumbers, Answer::Unsupported)]);
        report.settings = vec![Advice { key: "parts_max", value: "1000".to_owned(), because: "refused" }];
        report.clock_ahead_seconds = Some(-400);
        report.left = vec!["prod/probe/x/first".to_owned()];
        let text = concluded(StoreTestArgs { expect: None }, &report).text;
        for part in [
            "s3://bucket/prod\n\nTRIED             ANSWER       WHAT FOLLOWS\nwrite an object   ok           so it is\n",
            "Its words:\n  take part 10,000: the store answered 501\n",
            "The store's clock is 400 s behind this host's",
            "For [store] in lifeboat.toml:\nparts_max = 1000   # refused\n",
            "1 objects stay in probe/20261121T021700Z-7f3a9c/",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}
