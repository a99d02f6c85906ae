//! The names of what a drill makes: each carries the drill's id, so that what is left over can be told from everything else.

use lifeboat_core::DrillId;

/// The folder of a drill within the folder of all.
pub(super) fn folder(drill: &DrillId) -> String {
    format!("{FOLDER}{drill}")
}

/// The drill whose folder this is, if it is one's.
pub(super) fn drill_of_folder(name: &str) -> Option<DrillId> {
    name.strip_prefix(FOLDER)?.parse().ok()
}

/// The database of a drill on a server that has others: needs no quotes, for whoever has to type it.
pub(super) fn database(drill: &DrillId) -> String {
    format!("{DATABASE}{}", drill.as_str().to_ascii_lowercase().replace('-', "_"))
}

/// The drill whose database this is, finished or under restore, if it is one's.
pub(super) fn drill_of_database(name: &str) -> Option<DrillId> {
    let id = name.strip_prefix(DATABASE)?;
    let (id, suffix) = id.split_at_checked(ID_BYTES)?;
    let digits = suffix.strip_prefix(RESTORING);
    let is_restoring = digits.is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if !(suffix.is_empty() || is_restoring) {
        return None;
    }
    let drill: DrillId = id.replace('t', "T").replace('z', "Z").replace('_', "-").parse().ok()?;
    name.starts_with(&database(&drill)).then_some(drill)
}

/// All databases of drills begin so.
pub(super) const DATABASE: &str = "drill_";
const FOLDER: &str = "drill-";
/// What a restore appends until everything is in the database.
const RESTORING: &str = "_restoring_";
const ID_BYTES: usize = "20261121t021700z_7f3a9c".len();

#[cfg(test)]
mod tests {
    use lifeboat_core::DrillId;

    use super::{database, drill_of_database, drill_of_folder, folder};

    fn drill() -> DrillId {
        "20261121T021700Z-7f3a9c".parse().unwrap()
    }

    #[test]
    fn names_lead_back_to_their_drill() {
        assert_eq!(database(&drill()), "drill_20261121t021700z_7f3a9c");
        assert_eq!(drill_of_database("drill_20261121t021700z_7f3a9c"), Some(drill()));
        assert_eq!(drill_of_database("drill_20261121t021700z_7f3a9c_restoring_0a1b2c"), Some(drill()));
        assert_eq!(drill_of_folder(&folder(&drill())), Some(drill()));
    }

    #[test]
    fn names_of_others_are_nobodys() {
        for name in [
            "drill",
            "drill_",
            "drill_shop",
            "drill_20261121T021700Z-7f3a9c",
            "drill_20261121t021700z_7f3a9c_copy",
            "drill_20261121t021700z_7f3a9c_restoring_",
            "drill_20261121t021700z_7f3a9cé",
            "shop_20261121t021700z_7f3a9c",
        ] {
            assert_eq!(drill_of_database(name), None, "{name}");
        }
        for name in ["drill-", "drill-x", "drill_20261121T021700Z-7f3a9c", "20261121T021700Z-7f3a9c"] {
            assert_eq!(drill_of_folder(name), None, "{name}");
        }
    }
}
