//! `ranges`: every byte that was restored is the one that was stored.

use std::time::Instant;

use super::said::{Check, Said, many};
use super::{CheckReport, Subject};

/// The restore proves each range before it commits what is in it; what it said is compared with the index.
pub(super) fn check(subject: &Subject<'_>) -> CheckReport {
    let check = Check::new("ranges", "every stored byte that was restored has the digest it was stored with");
    check.report(judge(subject), Instant::now())
}

fn judge(subject: &Subject<'_>) -> Said {
    let (index, restored) = (&subject.archive.index, subject.restored);
    let (expected, found) = (index.rows(), restored.rows);
    if expected != found {
        return Said::failed(format!("{} were restored instead of {}", many(found, "row"), many(expected, "row")));
    }
    Said::passed(format!(
        "{} with {} in {}",
        many(index.ranges.len() as u64, "range"),
        many(found, "row"),
        many(index.relations.len() as u64, "table"),
    ))
}
