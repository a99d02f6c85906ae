//! What `verify` and `finalize` tell.

use jiff::Timestamp;
use lifeboat_rotate::sweep::{Failures, Finalized, Verification};

use super::super::retired::{Needed, Retired};
use super::{NOTHING_FOUND, failures, was};
use crate::output::units;

pub(in crate::commands::rotate::columns) fn verification(found: &Verification, has_old_keys: bool) -> String {
    let mut text = String::new();
    for target in &found.targets {
        let counts = &target.counts;
        text += &format!(
            "{}: the key {} alone opens {}; {} empty\n",
            target.target,
            target.key,
            units::counted(counts.opened(), "value"),
            units::count(counts.empty)
        );
        if target.nothing_found {
            text += NOTHING_FOUND;
        }
        text += &unopened(&target.failures, has_old_keys);
        text += &failures(&target.failures);
    }
    let accepted: u64 = found.targets.iter().map(|target| target.failures.accepted).sum();
    if accepted > 0 && !has_old_keys {
        text += "The old key is not at hand: nobody has looked whether an accepted row is under it and could be rotated. `finalize` looks.\n";
    }
    text + &match (found.passed(), accepted) {
        (true, 0) => "Every value opens with the new key alone.\n".to_owned(),
        (true, rows) => {
            format!("Every value opens with the new key alone, but for {}.\n", units::counted(rows, "accepted row"))
        }
        (false, _) if found.targets.iter().all(|target| target.failures.unaccepted() == 0) => {
            "Not proven: where nothing was found, the layout has to be another.\n".to_owned()
        }
        (false, _) => "Not every value does. `run` rewrites those that the old key opens; what becomes of the others is in docs/rotate-a-key.md.\n".to_owned(),
    }
}

/// How many are lost or may be, and how many are merely not rotated yet.
fn unopened(failures: &Failures, has_old_keys: bool) -> String {
    let (left, others) = (failures.under_old_key, failures.unopened());
    let [left_told, others_told] = [left, others].map(units::count);
    match (left, others) {
        (0, 0) => String::new(),
        (0, _) if !has_old_keys => {
            format!("  {others_told} do not open; the old key is not at hand to tell which of them `run` rotates\n")
        }
        (0, _) => format!("  {others_told} open by neither key\n"),
        (_, 0) => format!("  {left_told} under the old key: `run` rotates them\n"),
        _ => format!("  {others_told} open by neither key; {left_told} under the old key: `run` rotates them\n"),
    }
}

pub(in crate::commands::rotate::columns) fn finalized(finalized: &Finalized, retired: &[Retired]) -> String {
    let mut text = String::new();
    for target in &finalized.targets {
        let proof = &target.verification;
        text += &format!(
            "{}: finalized; the key {} alone opens {}, {} rewritten by this rotation\n",
            proof.target,
            proof.key,
            units::counted(proof.counts.opened(), "value"),
            units::count(target.rotated)
        );
        if proof.failures.accepted > 0 {
            let (rows, were) = (units::counted(proof.failures.accepted, "row"), was(proof.failures.accepted));
            text += &format!("  {rows} of the accept list {were} given up\n");
            text += &failures(&proof.failures);
        }
    }
    text + &farewells(retired)
}

pub(in crate::commands::rotate::columns) fn finalized_before(at: Timestamp, retired: &[Retired]) -> String {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("It was finalized before, at {at}: nobody has looked now. `verify` does.\n{}", farewells(retired))
}

fn farewells(retired: &[Retired]) -> String {
    retired.iter().map(farewell).collect()
}

/// Whether an old key may go.
fn farewell(key: &Retired) -> String {
    let Retired { fingerprint, reference, needed_by, not_looked_at } = key;
    match (needed_by.as_slice(), not_looked_at.as_slice()) {
        ([], []) => {
            format!("Take the old key {fingerprint} ({reference}) out of the application and of this configuration.\n")
        }
        ([], others) => format!(
            "Before the old key {fingerprint} ({reference}) goes: nobody has looked whether it is needed for {}.\n",
            others.join(", ")
        ),
        (others, _) => {
            format!("The old key {fingerprint} ({reference}) is still needed: {}.\n", why_needed(others))
        }
    }
}

/// Rotations that are not over, and columns that nobody rotates now.
fn why_needed(columns: &[Needed]) -> String {
    let names = |is_open: bool| {
        let names = columns.iter().filter(|column| column.is_open == is_open).map(|column| column.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    match [true, false].map(names) {
        [open, under] if under.is_empty() => format!("the rotation of {open} is not over"),
        [open, under] if open.is_empty() => format!("{under} may be under it"),
        [open, under] => format!("the rotation of {open} is not over, and {under} may be under it"),
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_rotate::sweep::{Counts, Failures, Finalized, FinalizedTarget, TargetVerification};

    use super::finalized;

    #[test]
    fn one_value_is_no_plural() {
        let of = |values| FinalizedTarget {
            verification: TargetVerification {
                target: "public.tokens.secret".to_owned(),
                table: "tokens".parse().unwrap(),
                columns: vec!["secret".to_owned()],
                key: "0123456789abcdef".to_owned(),
                counts: Counts { already_new: values, ..Counts::default() },
                failures: Failures::default(),
                nothing_found: false,
            },
            old_key: "fedcba9876543210".to_owned(),
            rotated: 1,
        };
        let told = finalized(&Finalized { at: jiff::Timestamp::UNIX_EPOCH, targets: vec![of(1), of(1200)] }, &[]);
        let expected = "\
public.tokens.secret: finalized; the key 0123456789abcdef alone opens 1 value, 1 rewritten by this rotation
public.tokens.secret: finalized; the key 0123456789abcdef alone opens 1,200 values, 1 rewritten by this rotation
";
        assert_eq!(told, expected);
    }
}
