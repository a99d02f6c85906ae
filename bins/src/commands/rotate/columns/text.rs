//! What people are told about columns and their keys. Rows are named by their primary keys, never by what they hold.

use lifeboat_rotate::sweep::{
    Counts, Direction, Failures, Finalized, Mode, Order, Phase, Plan, Status, Summary, TargetPlan, TargetStatus,
    TargetSummary, Verification,
};

use super::retired::Retired;
use crate::output::table::{Align, render};
use crate::output::units;

pub(super) fn plan(plan: &Plan) -> String {
    let mut text: String = plan.targets.iter().map(target_plan).collect();
    for remark in &plan.remarks {
        text += &format!("{remark}\n");
    }
    if plan.running {
        text += "another run is at work now: `run` would wait for it, and give up after a moment\n";
    }
    let (refusals, under_way) = (plan.refusals().count(), plan.targets.iter().all(|target| target.under_way.is_some()));
    text + &match refusals {
        0 if under_way => format!("Nothing was changed: {}.\n", next_steps(plan)),
        0 => format!("Nothing was changed: `run` with the same options begins, in the mode {}.\n", plan.mode.name()),
        1 => "Nothing was changed, and `run` would refuse for the reason above.\n".to_owned(),
        count => format!("Nothing was changed, and `run` would refuse for the {count} reasons above.\n"),
    }
}

/// What comes next for all targets, where that is the same.
fn next_steps(plan: &Plan) -> String {
    let mut steps: Vec<_> = plan.targets.iter().filter_map(|target| target.under_way.as_ref().map(next_step)).collect();
    steps.dedup();
    steps.join("; ")
}

/// What the operator does next with a rotation.
fn next_step(target: &TargetStatus) -> &'static str {
    match (target.phase, target.direction, target.mode) {
        (Phase::Finalized | Phase::RolledBack, ..) => "it is over",
        (_, Direction::Back, _) => "`rollback` goes on",
        (Phase::Sweeping, ..) => "`run` goes on",
        (Phase::Prepared, ..) => "`run --cut-over` puts the values in place, `run` prepares what was written since",
        (Phase::Swept, Direction::Forward, Mode::Staged) => {
            "the values are in place; once the application has restarted: `run` for what it wrote until then, `verify`, `finalize`"
        }
        (Phase::Swept, Direction::Forward, _) => "`verify` and `finalize` end it, `run` looks once more",
    }
}

fn target_plan(plan: &TargetPlan) -> String {
    let columns: Vec<_> = plan.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
    let mut text = format!("{}: {}, {}\n", plan.target, columns.join(", "), plan.layout);
    text += &format!("  from key {} to key {}\n", plan.old_key, plan.new_key);
    if let Some(begun) = &plan.under_way {
        text += &format!(
            "  under way since {}: {}, {}, {} values written; from key {} to key {}\n",
            begun.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            begun.mode.name(),
            phase(begun),
            units::count(begun.rotated),
            begun.old_key,
            begun.new_key
        );
    }
    for relation in &plan.relations {
        let key = if relation.key.is_empty() { "their place".to_owned() } else { relation.key.join(", ") };
        let order = match relation.order {
            Order::Key => "",
            Order::Place => ", read as they lie",
        };
        let (rows, bytes) = (units::count(relation.rows.estimate), units::size(relation.rows.bytes));
        text += &format!("  {}: about {rows} rows, {bytes}, named by {key}{order}\n", relation.name);
    }
    text += &format!("  of {} rows looked at: {}\n", units::count(plan.sample.rows), outcomes(&plan.sample.counts));
    for trigger in &plan.triggers {
        let change = if trigger.before { ", and may change the row" } else { "" };
        text += &format!("  every update fires the trigger {} ({}{change})\n", trigger.name, trigger.function);
    }
    if !plan.indexes.is_empty() {
        text += &format!("  indexes over the value: {}\n", plan.indexes.join(", "));
    }
    for remark in &plan.remarks {
        text += &format!("  {remark}\n");
    }
    for refusal in &plan.refusals {
        text += &format!("  refused: {refusal}\n");
    }
    text
}

pub(super) fn summary(summary: &Summary) -> String {
    let rotated = if summary.dry_run { "to rotate" } else { "rotated" };
    let told = |target| target_summary(target, rotated, !summary.dry_run);
    let mut text: String = summary.targets.iter().map(told).collect();
    text += match (summary.dry_run, summary.is_clean(), summary.mode, summary.cut_over) {
        (true, ..) => "Nothing was written: that was a dry run.\n",
        // A transaction that was committed has put in place what there was.
        (_, false, Mode::Staged, true) => {
            "The new values ARE in place: restart the application with the new key now. The rows above did not open and are as they were.\n"
        }
        (_, false, ..) => "Not done: see above. The same command goes on from here.\n",
        (_, true, Mode::Staged, false) => {
            "Prepared: `run --mode staged --cut-over` puts the values in place; then the application restarts with the new key.\n"
        }
        (_, true, Mode::Staged, true) => {
            "The new values are in place: restart the application with the new key now, then `verify` and `finalize`.\n"
        }
        (_, true, Mode::Offline, _) => "Start the application with the new key, then `verify` and `finalize`.\n",
        (_, true, Mode::Online, _) => {
            "Then `verify` and `finalize`; only after that the application gives the old key up.\n"
        }
    };
    text
}

pub(super) fn rolled_back(summary: &Summary) -> String {
    let text: String = summary.targets.iter().map(|target| target_summary(target, "taken back", true)).collect();
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

fn target_summary(target: &TargetSummary, rotated: &str, writes: bool) -> String {
    let mut text = format!("{}: {}\n", target.target, outcomes(&target.counts).replacen("rotated", rotated, 1));
    if let Some(resumed) = &target.resumed {
        text += &format!(
            "  went on in pass {}: {} {rotated} by this run, {} before\n",
            resumed.pass,
            units::count(target.written),
            units::count(resumed.rotated)
        );
    }
    if target.overtaken > 0 {
        text += &format!("  {} were changed by others meanwhile, and read again\n", units::count(target.overtaken));
    }
    if target.held > 0 {
        text += &format!("  {} rows were held by others until the end: run it again\n", units::count(target.held));
    }
    if target.refused > 0 {
        text += &format!(
            "  {} rows were refused by the database and are as they were: mend them, or what refuses them, and run it again\n",
            units::count(target.refused)
        );
    }
    if target.nothing_found {
        text += "  nothing was found where the layout looks for values, and the column has some: look at the layout\n";
    }
    if writes && !target.complete && target.held == 0 && target.left != target.refused {
        text += "  the last pass still had something to do: run it again\n";
    }
    text + &failures(&target.failures)
}

pub(super) fn verification(found: &Verification) -> String {
    let mut text = String::new();
    for target in &found.targets {
        let counts = &target.counts;
        text += &format!(
            "{}: the key {} alone opens {} values; {} empty\n",
            target.target,
            target.key,
            units::count(counts.opened()),
            units::count(counts.empty)
        );
        text += &failures(&target.failures);
    }
    let accepted: u64 = found.targets.iter().map(|target| target.failures.accepted).sum();
    text + &match (found.passed(), accepted) {
        (true, 0) => "Every value opens with the new key alone.\n".to_owned(),
        (true, rows) => {
            format!("Every value opens with the new key alone, but for {} accepted rows.\n", units::count(rows))
        }
        (false, _) => "Not every value does.\n".to_owned(),
    }
}

pub(super) fn finalized(finalized: &Finalized, retired: &[Retired]) -> String {
    let mut text = String::new();
    for target in &finalized.targets {
        let proof = &target.verification;
        text += &format!(
            "{}: finalized; the key {} alone opens {} values, {} of them rewritten\n",
            proof.target,
            proof.key,
            units::count(proof.counts.opened()),
            units::count(target.rotated)
        );
        if proof.failures.accepted > 0 {
            text += &format!("  {} rows of the accept list were given up\n", units::count(proof.failures.accepted));
            text += &failures(&proof.failures);
        }
    }
    for Retired { fingerprint, reference, needed_by } in retired {
        text += &match needed_by.as_slice() {
            [] => format!(
                "Take the old key {fingerprint} ({reference}) out of the application and of this configuration.\n"
            ),
            others => format!(
                "The old key {fingerprint} ({reference}) is still needed: the rotation of {} is not over.\n",
                others.join(", ")
            ),
        };
    }
    text
}

pub(super) fn status(status: &Status) -> String {
    if status.targets.is_empty() {
        return "no rotation of columns is known in this database\n".to_owned();
    }
    let head = [
        ("COLUMN", Align::Left),
        ("MODE", Align::Left),
        ("PHASE", Align::Left),
        ("FROM", Align::Left),
        ("TO", Align::Left),
        ("PASS", Align::Right),
        ("SEEN", Align::Right),
        ("ROTATED", Align::Right),
        ("UNOPENED", Align::Right),
        ("LAST", Align::Left),
    ];
    let row = |target: &TargetStatus| {
        vec![
            format!("{}.{}", target.table, target.columns.join("+")),
            target.mode.name().to_owned(),
            phase(target).to_owned(),
            target.old_key.clone(),
            target.new_key.clone(),
            target.pass.to_string(),
            units::count(target.seen),
            units::count(target.rotated),
            units::count(target.unopened),
            target.updated.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ]
    };
    let mut text = render(&head, &status.targets.iter().map(row).collect::<Vec<_>>());
    for target in &status.targets {
        if !matches!(target.phase, Phase::Finalized | Phase::RolledBack) {
            text += &format!("{}.{}: {}\n", target.table, target.columns.join("+"), next_step(target));
        }
    }
    if status.running { text + "a run is at work now\n" } else { text }
}

fn phase(target: &TargetStatus) -> &'static str {
    match (target.phase, target.direction) {
        (Phase::Finalized, _) => "finalized",
        (Phase::RolledBack, _) => "rolled back",
        (_, Direction::Back) => "rolling back",
        (Phase::Sweeping, _) => "sweeping",
        (Phase::Prepared, _) => "prepared",
        (Phase::Swept, _) if target.mode == Mode::Staged => "in place",
        (Phase::Swept, _) => "swept",
    }
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

const NAMED: usize = 20;
