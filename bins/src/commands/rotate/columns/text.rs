//! What people are told about columns and their keys. Rows are named by their primary keys, never by what they hold.

mod plan;
mod proof;

use jiff::Timestamp;
use lifeboat_rotate::sweep::{Counts, Failures, Mode, Summary, TargetSummary};

pub(super) use self::plan::{plan, status};
pub(super) use self::proof::{finalized, finalized_before, verification};
use crate::output::units;

/// Of a run; `puts_in_place`: of one that was to put prepared values in place.
pub(super) fn summary(summary: &Summary, puts_in_place: bool) -> String {
    let words = if summary.dry_run { DRY } else { FORWARD };
    let told = |target| target_summary(target, words, !summary.dry_run);
    let text: String = summary.targets.iter().map(told).collect();
    match summary.finalized {
        Some(at) => text + &is_over(summary, at),
        None => text + ending(summary, puts_in_place),
    }
}

/// Of a run that had nothing to begin.
fn is_over(summary: &Summary, at: Timestamp) -> String {
    let values = if summary.is_clean() { "every value is" } else { "every value that opens is" };
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "Nothing to do: {values} under the new key already. The rotation was finalized at {at}, and no other was begun.\n"
    )
}

/// What is so now, and what comes next.
fn ending(summary: &Summary, puts_in_place: bool) -> &'static str {
    let is_missed = summary.targets.iter().any(|target| target.nothing_found);
    let through = summary.targets.iter().all(|target| target.complete);
    match (summary.mode, through, summary.is_clean(), summary.cut_over) {
        _ if summary.dry_run => "Nothing was written: that was a dry run.\n",
        // A transaction that was committed has put in place what there was.
        (Mode::Staged, _, false, true) if puts_in_place => {
            "The new values ARE in place: restart the application with the new key now, then `run`, for what it wrote until then. The rows above did not open and are as they were.\n"
        }
        (_, false, ..) => "Not done: see above. The same command goes on from here.\n",
        _ if is_missed => "Not done: where nothing was found, the layout has to be another.\n",
        (Mode::Staged, true, false, true) => {
            "The new values are in place; the rows above did not open, are as they were, and keep `finalize` closed. An application that has not restarted with the new key does so now; then run this once more.\n"
        }
        (Mode::Staged, true, true, false) => {
            "Prepared: `run --mode staged --cut-over` puts the values in place; then the application restarts with the new key.\n"
        }
        (Mode::Staged, true, false, false) => {
            "Prepared, but for the rows above: `run --mode staged --cut-over` puts the values in place; these stay, and keep `finalize` closed.\n"
        }
        (Mode::Staged, true, true, true) if puts_in_place => {
            "The new values are in place: restart the application with the new key now. Then `run`, for what it wrote until then, `verify` and `finalize`.\n"
        }
        (Mode::Staged, true, true, true) => {
            "The new values are in place, those for what was written under the old key since, too. When the application has restarted with the new key: `verify` and `finalize`. Else restart it now, and run this once more.\n"
        }
        (Mode::Offline, true, ..) => "Start the application with the new key, then `verify` and `finalize`.\n",
        (Mode::Online, true, false, _) => {
            "Every value that opens is under the new key; the rows above are as they were, and keep `finalize` closed.\n"
        }
        (Mode::Online, true, true, _) => {
            "Then `verify` and `finalize`; only after that the application gives the old key up.\n"
        }
    }
}

pub(super) fn rolled_back(summary: &Summary) -> String {
    let gone = |target: &String| {
        format!("{target}: the table was dropped; its rotation is over, and nothing was taken back\n")
    };
    let text: String = summary.gone.iter().map(gone).collect();
    if summary.targets.is_empty() {
        return text;
    }
    let is_in_place = summary.targets.iter().any(|target| target.counts.total() > 0);
    if summary.mode == Mode::Staged && !is_in_place {
        return text + "Nothing was in place: what was prepared is dropped, and every value is as it was.\n";
    }
    let text = summary.targets.iter().fold(text, |text, target| text + &target_summary(target, BACK, true));
    let complete = summary.targets.iter().all(|target| target.complete);
    let end = match (complete, summary.targets.iter().all(|target| target.failures.total == 0)) {
        (true, true) => "Every value is under the old key again.\n",
        (true, false) => {
            "It is over: every value that opens is under the old key again, those above are as they were.\n"
        }
        (false, _) => "Not done: see above. The same command goes on from here.\n",
    };
    text + end
}

/// What values that were written are called, and those that were under that key before.
#[derive(Clone, Copy)]
struct Words {
    rotated: &'static str,
    already: &'static str,
}

const FORWARD: Words = Words { rotated: "rotated", already: "already new" };
const DRY: Words = Words { rotated: "to rotate", ..FORWARD };
const BACK: Words = Words { rotated: "taken back", already: "under the old key before" };

fn target_summary(target: &TargetSummary, words: Words, writes: bool) -> String {
    let Words { rotated, already } = words;
    let found = outcomes(&target.counts).replacen("rotated", rotated, 1).replacen("already new", already, 1);
    let mut text = format!("{}: {found}\n", target.target);
    if let Some(resumed) = &target.resumed {
        text += &format!(
            "  went on in pass {}: {} {rotated} by this run, {} before\n",
            resumed.pass,
            units::count(target.written),
            units::count(resumed.rotated)
        );
    }
    if target.overtaken > 0 {
        let (values, were) = (units::count(target.overtaken), was(target.overtaken));
        text += &format!("  {values} {were} changed by others meanwhile, and read again\n");
    }
    if target.held > 0 {
        let (rows, were) = (units::counted(target.held, "row"), was(target.held));
        text += &format!("  {rows} {were} held by others until the end: run it again\n");
    }
    if target.refused > 0 {
        text += &format!(
            "  {} refused by the database, as they were: mend them, or what refuses them, and run it again\n",
            units::count(target.refused)
        );
    }
    if target.nothing_found {
        text += NOTHING_FOUND;
        if writes {
            text += "  its rotation has begun and has written nothing: `rollback` of this column alone ends it; then begin anew with the layout that `detect` finds\n";
        }
    }
    if writes && !target.complete && target.held == 0 && target.left != target.refused {
        text += "  the last pass still had something to do: run it again\n";
    }
    text + &failures(&target.failures)
}

/// Lines of the accept list that are of no use.
pub(super) fn unmatched(lines: &[String]) -> String {
    let shown: Vec<_> = lines.iter().take(NAMED).map(String::as_str).collect();
    let more = if lines.len() > NAMED { format!(" and {} more", lines.len() - NAMED) } else { String::new() };
    match lines.len() {
        0 => String::new(),
        1 => format!("1 line of the accept list names no row that did not open: {}\n", shown[0]),
        count => {
            format!("{count} lines of the accept list name no row that did not open: {}{more}\n", shown.join(", "))
        }
    }
}

/// The verb of what is counted.
fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Those of the seven that there are.
fn outcomes(counts: &Counts) -> String {
    let found: Vec<_> = counts
        .named()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", units::count(count)))
        .collect();
    if found.is_empty() { "no values".to_owned() } else { found.join(", ") }
}

/// The first rows that did not open, by their keys.
fn failures(failures: &Failures) -> String {
    let mut text = String::new();
    for failure in failures.named.iter().take(NAMED) {
        let accepted = if failure.accepted { " (accepted)" } else { "" };
        text += &format!("  {failure}{accepted}\n");
    }
    let named = failures.named.len().min(NAMED) as u64;
    if failures.total > named {
        text += &format!("  and {} more; --json names up to 1,000\n", units::count(failures.total - named));
    }
    text
}

const NOTHING_FOUND: &str =
    "  nothing was found where the layout looks for values, and the column has some: look at the layout\n";

const NAMED: usize = 20;
