//! Names of buckets, of which each kind of store takes its own.
//!
//! Refused is what is no name at Amazon, Backblaze, Google or Azure. A few servers take shorter ones, of which one never lists the
//! objects (SeaweedFS, of two characters). What only some stores refuse, they say themselves.

use std::ops::RangeInclusive;

use super::address::Scheme;
use crate::units::counted;

/// Why a store of this kind has no bucket of that name.
pub(super) fn unfit(name: &str, scheme: Scheme) -> Option<String> {
    let (what, lengths, length) = (what(scheme), lengths(scheme), name.chars().count());
    if !lengths.contains(&length) {
        let (has, least, most) = (counted(length as u64, "character"), lengths.start(), lengths.end());
        return Some(format!("the name of its {what} has {has}, and {least} to {most} are allowed"));
    }
    if scheme == Scheme::Az && AZURES_OWN.contains(&name) {
        return None;
    }
    let strange = name.chars().find(|character| !may_hold(*character))?;
    Some(format!("the name of its {what} holds {strange:?}, which no {what} has in its name"))
}

fn what(scheme: Scheme) -> &'static str {
    if scheme == Scheme::Az { "container" } else { "bucket" }
}

fn lengths(scheme: Scheme) -> RangeInclusive<usize> {
    match scheme {
        // 63 since 2018; Amazon's of before go on.
        Scheme::S3 | Scheme::File => 3..=255,
        Scheme::B2 => 6..=63,
        // Those with dots, of which each part has 63 at most.
        Scheme::Gs => 3..=222,
        Scheme::Az => 3..=63,
    }
}

/// Upper case and underscores are in old names of Amazon's, and what others call their buckets.
fn may_hold(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._".contains(character)
}

const AZURES_OWN: &[&str] = &["$root", "$web", "$logs"];

#[cfg(test)]
mod tests {
    use super::unfit;
    use crate::store::address::Scheme;

    #[test]
    fn a_name_has_as_many_characters_as_its_kind_of_store_allows() {
        for (scheme, least, most) in
            [(Scheme::S3, 3, 255), (Scheme::B2, 6, 63), (Scheme::Gs, 3, 222), (Scheme::Az, 3, 63)]
        {
            let told = |length: usize| unfit(&"b".repeat(length), scheme);
            assert_eq!((told(least), told(most)), (None, None), "{scheme:?}");
            for length in [least - 1, most + 1] {
                let why = told(length).unwrap();
                assert!(why.contains(&format!("{length} characters, and {least} to {most}")), "{scheme:?}: {why}");
            }
        }
    }

    #[test]
    fn a_name_that_some_store_takes_is_left_to_the_store() {
        for name in ["My_Bucket", "a.b.c", "123", "logs--usw2-az1--x-s3"] {
            assert_eq!(unfit(name, Scheme::S3), None, "{name}");
        }
        assert_eq!(unfit("$web", Scheme::Az), None);
        assert!(unfit("$CONTAINER", Scheme::Az).is_some());
        for name in ["$BUCKET", "{{bucket}}", "b%C3%BCcher", "a+b"] {
            assert!(unfit(name, Scheme::S3).is_some_and(|why| why.contains("which no bucket has")), "{name}");
        }
    }
}
