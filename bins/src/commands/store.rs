//! `lifeboat store test`.

use jiff::Timestamp;
use lifeboat_core::store::{Answer, Behaviour, Finding, ProbeReport, layout};
use lifeboat_core::{Kind, Result, counted};
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
    Ok(concluded(args, &report, &config.store.by_environment(&context.environment)))
}

fn concluded(args: StoreTestArgs, report: &ProbeReport, by_environment: &[String]) -> Outcome {
    let unmet = args.expect.map(|expected| unmet(expected, report)).unwrap_or_default();
    let is_known = |(_, answer): &(Behaviour, Answer)| *answer != Answer::Inconclusive;
    let exit = match (unmet.iter().any(is_known), unmet.is_empty(), is_of_use(report)) {
        (true, ..) => Exit::Failed(Kind::Policy),
        (_, false, _) | (.., None) => Exit::Failed(Kind::TryAgain),
        (.., Some(false)) => Exit::Failed(Kind::Failure),
        _ => Exit::Success,
    };
    let unmet = args.expect.map(|expected| unexpected(expected, &unmet)).unwrap_or_default();
    let json = json!({"probe": report, "unexpected": unmet, "by_environment": by_environment});
    Outcome { text: text(report, by_environment) + &unexpected_text(&unmet), json, exit }
}

/// Whether anything can be done with this key: back up, or restore. None while nobody knows.
fn is_of_use(report: &ProbeReport) -> Option<bool> {
    let uses = [[Behaviour::Write, Behaviour::Multipart], [Behaviour::Read, Behaviour::List]];
    let answers = uses.map(|both| both.map(|one| report.answer(one)));
    if answers.iter().any(|both| both.iter().all(|answer| *answer == Some(Answer::Ok))) {
        return Some(true);
    }
    let unclear = answers.as_flattened().contains(&Some(Answer::Inconclusive));
    (!unclear).then_some(false)
}

/// What the key may do and should not, or the other way round.
fn unmet(expected: Expected, report: &ProbeReport) -> Vec<(Behaviour, Answer)> {
    let found = |(one, wanted)| Some((one, report.answer(one).filter(|answer| *answer != wanted)?));
    wanted(expected).into_iter().filter_map(found).collect()
}

fn wanted(expected: Expected) -> Vec<(Behaviour, Answer)> {
    let (may, may_not) = match expected {
        Expected::WriteOnly => {
            (vec![Behaviour::Write, Behaviour::Multipart], vec![Behaviour::Read, Behaviour::List, Behaviour::Delete])
        }
        Expected::ReadOnly => (vec![Behaviour::Read, Behaviour::List], vec![Behaviour::Write, Behaviour::Delete]),
    };
    let may = may.into_iter().map(|one| (one, Answer::Ok));
    may.chain(may_not.into_iter().map(|one| (one, Answer::Denied))).collect()
}

fn unexpected(expected: Expected, unmet: &[(Behaviour, Answer)]) -> Vec<String> {
    let wanted = wanted(expected);
    let told = |(one, answer): &(Behaviour, Answer)| {
        let (_, wanted) = wanted.iter().find(|(wanted, _)| wanted == one)?;
        Some(format!("{}: {answer}, not {wanted}", one.text()))
    };
    unmet.iter().filter_map(told).collect()
}

fn unexpected_text(unmet: &[String]) -> String {
    if unmet.is_empty() {
        return String::new();
    }
    format!("\nThe key has other rights than expected:\n  {}\n", unmet.join("\n  "))
}

fn text(report: &ProbeReport, by_environment: &[String]) -> String {
    let head = [("TRIED", Align::Left), ("ANSWER", Align::Left), ("WHAT FOLLOWS", Align::Left)];
    let row =
        |found: &Finding| vec![found.behaviour.text().to_owned(), found.answer.to_string(), found.follows.clone()];
    let table = render(&head, &report.findings.iter().map(row).collect::<Vec<_>>());
    let told = [said(report), decided(by_environment), clock(report), settings(report), left(report)].concat();
    format!("{}\n\n{table}{told}", report.store)
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

/// A variable that is set on this host may not be set in the unit, or the other way round.
fn decided(by_environment: &[String]) -> String {
    if by_environment.is_empty() {
        return String::new();
    }
    format!("\nDecided by the environment of this command:\n  {}\n", by_environment.join("\n  "))
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
        text += &stay("object", &report.left, report.left_unclear);
    }
    if !report.uploads_left.is_empty() {
        text += &stay("open upload", &report.uploads_left, report.left_unclear);
    }
    if report.versions_left {
        let folder = layout::probe_folder(&report.probe);
        text += &format!(
            "\nOld versions of what was under {folder} stay, hidden: a lifecycle rule on probe/ takes them.\n"
        );
    }
    text
}

/// What is left of one kind, by key, and why.
fn stay(noun: &str, keys: &[String], unclear: bool) -> String {
    let many = keys.len() as u64;
    let (how, why) = match (unclear, many) {
        (true, _) => ("may be left", "the store gave no clear answer in time"),
        (false, 1) => ("stays", "this key may not take away what it made"),
        (false, _) => ("stay", "this key may not take away what it made"),
    };
    let head = format!("\n{} {how}: {why}. Another key, or a lifecycle rule on probe/, may:\n", counted(many, noun));
    keys.iter().fold(head, |text, key| text + "  " + key + "\n")
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
            uploads_left: Vec::new(),
            left_unclear: false,
            versions_left: false,
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
        concluded(StoreTestArgs { expect }, report, &[]).exit.code()
    }

    #[test]
    fn a_key_that_may_only_write_is_fine_and_one_that_may_do_nothing_is_not() {
        assert_eq!(code(None, &report(&WRITER)), 0);
        assert_eq!(code(Some(Expected::WriteOnly), &report(&WRITER)), 0);
        assert_eq!(code(Some(Expected::ReadOnly), &report(&WRITER)), 40);
        assert_eq!(code(None, &report(&WRITER.map(|(one, _)| (one, Answer::Denied)))), 1);
    }

    #[test]
    fn what_nobody_knows_is_to_be_tried_again_and_no_refusal() {
        let mut answers = WRITER;
        answers[3].1 = Answer::Inconclusive;
        assert_eq!(code(None, &report(&answers)), 0);
        assert_eq!(code(Some(Expected::WriteOnly), &report(&answers)), 75);
        answers[4].1 = Answer::Ok;
        assert_eq!(code(Some(Expected::WriteOnly), &report(&answers)), 40);
        answers[1].1 = Answer::Inconclusive;
        assert_eq!(code(None, &report(&answers)), 75);
    }

    #[test]
    fn what_may_be_left_is_told_by_key_and_with_the_reason() {
        let mut report = report(&WRITER);
        report.left = vec!["prod/probe/x/first".to_owned(), "prod/probe/x/raced".to_owned()];
        report.uploads_left = vec!["prod/probe/x/abandoned".to_owned()];
        (report.left_unclear, report.versions_left) = (true, true);
        let text = concluded(StoreTestArgs { expect: None }, &report, &[]).text;
        for part in [
            "2 objects may be left: the store gave no clear answer in time.",
            "  prod/probe/x/raced\n",
            "1 open upload may be left",
            "Old versions of what was under probe/20261121T021700Z-7f3a9c stay, hidden",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }

    #[test]
    fn a_right_too_many_is_named() {
        let mut answers = WRITER;
        answers[4].1 = Answer::Ok;
        let outcome = concluded(StoreTestArgs { expect: Some(Expected::WriteOnly) }, &report(&answers), &[]);
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
        let by_environment = ["endpoint by AWS_ENDPOINT_URL_S3".to_owned()];
        let text = concluded(StoreTestArgs { expect: None }, &report, &by_environment).text;
        for part in [
            "s3://bucket/prod\n\nTRIED             ANSWER       WHAT FOLLOWS\nwrite an object   ok           so it is\n",
            "Its words:\n  take part 10,000: the store answered 501\n",
            "The store's clock is 400 s behind this host's",
            "For [store] in lifeboat.toml:\nparts_max = 1000   # refused\n",
            "\nDecided by the environment of this command:\n  endpoint by AWS_ENDPOINT_URL_S3\n",
            "\n1 object stays: this key may not take away what it made. Another key, or a lifecycle rule on probe/, may:\n  \
             prod/probe/x/first\n",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}
