//! How two fingerprints of one table differ, in words.

use std::cmp::Ordering;

use lifeboat_core::codec::Fingerprint;

use super::super::said::{many, thousands};

/// `None` when they are the same.
pub(super) fn describe(dumped: Fingerprint, found: Fingerprint) -> Option<String> {
    if dumped == found {
        return None;
    }
    let (had, has) = (dumped.rows, found.rows);
    let instead = format!("{} instead of {}", thousands(has), many(had, "row"));
    Some(match has.cmp(&had) {
        Ordering::Less => format!("{} missing: {instead}", are(had - has)),
        Ordering::Greater => format!("{} too many: {instead}", are(has - had)),
        Ordering::Equal => {
            format!("{} as dumped, but not the same: {}", many(had, "row"), length(dumped.bytes, found.bytes))
        }
    })
}

fn are(rows: u64) -> String {
    format!("{} {}", many(rows, "row"), if rows == 1 { "is" } else { "are" })
}

fn length(dumped: u64, found: u64) -> String {
    match found.cmp(&dumped) {
        Ordering::Less => format!("their text is {} shorter", many(dumped - found, "byte")),
        Ordering::Equal => "their text is as long, with other characters".to_owned(),
        Ordering::Greater => format!("their text is {} longer", many(found - dumped, "byte")),
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::codec::Fingerprint;

    use super::describe;

    fn of(lines: &[&str]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        lines.iter().for_each(|line| fingerprint.add_line(line.as_bytes()));
        fingerprint
    }

    #[test]
    fn a_difference_says_how_many_rows_and_what_of_them() {
        let dumped = of(&["1\ta", "2\tb", "3\tc"]);
        let told = |found: &[&str]| describe(dumped, of(found)).unwrap();
        assert_eq!(describe(dumped, of(&["3\tc", "1\ta", "2\tb"])), None);
        assert_eq!(told(&["1\ta", "2\tb"]), "1 row is missing: 2 instead of 3 rows");
        assert_eq!(told(&[]), "3 rows are missing: 0 instead of 3 rows");
        assert_eq!(told(&["1\ta", "2\tb", "3\tc", "3\tc"]), "1 row is too many: 4 instead of 3 rows");
        assert_eq!(told(&["1\ta", "2\tb", "3\tcc"]), "3 rows as dumped, but not the same: their text is 1 byte longer");
        assert!(told(&["1\ta", "2\tb", "3\tC"]).ends_with("as long, with other characters"));
    }
}
