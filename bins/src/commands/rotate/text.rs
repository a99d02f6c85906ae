//! What people are told about a rotation.

use lifeboat_core::keys::KeyId;
use lifeboat_rotate::backups::{RewrapPlan, RewrapSummary, VerifyReport};

use crate::output::units;

/// Said with every rewrap: the commonest misunderstanding of it is dangerous.
pub(super) const NO_REMEDY: &str = "\
A rewrap does not undo a leak: whoever kept an old wrap and has the old key still has the data key.
`lifeboat rotate backups reencrypt` does, with the deletion of old versions in the bucket.
";

pub(super) fn plan(plan: &RewrapPlan, to: &KeyId, stores: &[&str]) -> String {
    let mut text = format!("rewrap would make {} open with {to} in {}\n", backups(plan.rewrap), stores.join(", "));
    text += &line(plan.already, "a wrap under it already");
    text += &rest(plan.passed_over, plan.unencrypted, plan.unfinished);
    if plan.closed.count > 0 {
        text += &format!("{} cannot be opened with the keys at hand\n", backups(plan.closed.count));
    }
    text + "Nothing was changed.\n"
}

pub(super) fn rewrap(summary: &RewrapSummary, to: &KeyId, stores: &[&str]) -> String {
    let open = if summary.rewrapped == 1 { "opens" } else { "open" };
    let mut text = format!("{} {open} with {to} now in {}\n", backups(summary.rewrapped), stores.join(", "));
    text += &line(summary.already, "a wrap under it already, which opens to the same data key");
    text += &line(summary.already_not_compared, "a wrap under it already, which could not be opened to compare");
    if summary.not_compared > 0 {
        text += &format!(
            "{to} is a public key: the new wraps could not be opened again to compare; its private half in the keyring \
             allows that\n"
        );
    }
    text += &rest(summary.passed_over, summary.unencrypted, summary.unfinished);
    if summary.failed.count > 0 {
        text += &failed(summary.failed.count);
    }
    if summary.rewrapped + summary.already + summary.already_not_compared > 0 { text + NO_REMEDY } else { text }
}

pub(super) fn verify(report: &VerifyReport, to: &KeyId, stores: &[&str]) -> String {
    let stores = stores.join(", ");
    let mut text = match report.proven {
        0 => format!("no backup in {stores} was proven to open with {to} alone\n"),
        proven => format!("{to} alone opens {} in {stores}, proven by their manifests\n", backups(proven)),
    };
    text += &rest(0, report.unencrypted, report.unfinished);
    if report.failed.count > 0 {
        let (count, does) = (report.failed.count, if report.failed.count == 1 { "does" } else { "do" });
        text += &format!("{} {does} not open with it\n", backups(count));
    }
    text
}

pub(super) fn backups(count: u64) -> String {
    if count == 1 { "1 backup".to_owned() } else { format!("{} backups", units::count(count)) }
}

pub(super) fn failed(count: u64) -> String {
    let stay = if count == 1 { "stays as it was" } else { "stay as they were" };
    format!("{} failed and {stay}\n", backups(count))
}

fn line(count: u64, what: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!("1 backup has {what}\n"),
        _ => format!("{} have {what}\n", backups(count)),
    }
}

fn rest(passed_over: u64, unencrypted: u64, unfinished: u64) -> String {
    let kinds = [
        (passed_over, "not under the key named by --from"),
        (unencrypted, "not encrypted"),
        (unfinished, "unfinished, and left alone"),
    ];
    kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}\n", units::count(*count)))
        .collect()
}
