//! What `plan` and `status` tell.

use lifeboat_rotate::sweep::{Direction, Mode, Order, Phase, Plan, Status, TargetPlan, TargetStatus};

use super::outcomes;
use crate::output::table::{Align, render};
use crate::output::units;

pub(in crate::commands::rotate::columns) fn plan(plan: &Plan) -> String {
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
        0 => format!(
            "Nothing was changed: `run` with the same options begins, in the mode {}{}.\n",
            plan.mode.name(),
            wanted_by(plan.mode)
        ),
        1 => "Nothing was changed, and `run` would refuse for the reason above.\n".to_owned(),
        count => format!("Nothing was changed, and `run` would refuse for the {count} reasons above.\n"),
    }
}

/// What the application has to do for it.
fn wanted_by(mode: Mode) -> &'static str {
    match mode {
        Mode::Online => {
            ": every instance of the application has to read both keys by then (`--mode staged` where it reads one)"
        }
        Mode::Staged => ": with `--cut-over`, the application is started anew with the new key",
        Mode::Offline => ": the application has to be stopped by then",
    }
}

/// What comes next for all targets, where that is the same.
fn next_steps(plan: &Plan) -> String {
    let mut steps: Vec<_> = plan.targets.iter().filter_map(|target| target.under_way.as_ref().map(next_step)).collect();
    steps.dedup();
    steps.join("; ")
}

fn target_plan(plan: &TargetPlan) -> String {
    let columns: Vec<_> = plan.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
    let mut text = format!("{}: {}, {}\n", plan.target, columns.join(", "), plan.layout);
    text += &format!("  from key {} to key {}\n", plan.old_key, plan.new_key);
    if let Some(begun) = &plan.under_way {
        text += &format!(
            "  under way since {}: {}, {}, {} written; from key {} to key {}\n",
            begun.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            begun.mode.name(),
            phase(begun),
            units::counted(begun.rotated, "value"),
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
        let (rows, bytes) = (units::counted(relation.rows.estimate, "row"), units::size(relation.rows.bytes));
        text += &format!("  {}: about {rows}, {bytes}, named by {key}{order}\n", relation.name);
    }
    let found = outcomes(&plan.sample.counts).replacen("rotated", "to rotate", 1);
    text += &format!("  of {} looked at: {found}\n", units::counted(plan.sample.rows, "row"));
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

pub(in crate::commands::rotate::columns) fn status(status: &Status) -> String {
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
