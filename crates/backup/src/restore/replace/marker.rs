//! Names and comments of the databases that a replacement makes and keeps: by both they are told from everybody else's.
//!
//! Invariant: no database is dropped or renamed because of its name alone. `docs/format.md` has the text of the comment.

use jiff::Timestamp;
use lifeboat_core::RunId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::target::{NAME_BYTES_MAX, suffixed};

/// The names of one run's databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The one that is to take the place.
    pub(super) stand_in: String,
    /// The one whose place was taken.
    pub(super) aside: String,
}

impl Names {
    pub(super) fn new(name: &str, run: &RunId) -> Self {
        // Needs no quotes, for whoever has to type it.
        let run = run.as_str().to_ascii_lowercase().replace('-', "_");
        Self { stand_in: named(name, &format!("{REPLACING}{run}")), aside: named(name, &format!("{REPLACED}{run}")) }
    }
}

/// The name with that suffix. Where both do not fit it is cut, and digits of its digest keep it apart from others that begin alike.
fn named(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= NAME_BYTES_MAX {
        return format!("{name}{suffix}");
    }
    let digest = hex::encode(Sha256::digest(name));
    suffixed(name, &format!("_{}{suffix}", &digest[..DIGEST_DIGITS]))
}

/// What the comment of such a database says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) schema: Schema,
    pub(super) state: State,
    /// The name that this is about.
    pub(super) database: String,
    pub(super) run: RunId,
    /// The backup that took the place, or is to take it; none where a replacement was undone.
    pub(super) backup: Option<String>,
    /// When the place was taken, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaced_at: Option<Timestamp>,
    /// The database's own comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

/// The one version there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Schema {
    #[default]
    #[serde(rename = "lifeboat/replace/v1")]
    V1,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// A backup is being restored into it.
    Restoring,
    /// Everything is in it; whoever gives it the name proves it first.
    Restored,
    /// Another database has its name now.
    Replaced,
}

impl Marker {
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and times have a form in JSON")
    }
}

/// What a database of the server is to a replacement of `name`, by its own name and comment.
pub(super) fn recognise(name: &str, found: &str, comment: Option<&str>) -> Option<(State, Option<Marker>)> {
    let is_stand_in = is_of(name, found, REPLACING);
    if !is_stand_in && !is_of(name, found, REPLACED) {
        return None;
    }
    let Some(comment) = comment else {
        // Whoever was killed between creating it and saying so left one without a word.
        return is_stand_in.then_some((State::Restoring, None));
    };
    let marker: Marker = serde_json::from_str(comment).ok()?;
    let fits = marker.database == name && is_stand_in != (marker.state == State::Replaced);
    fits.then_some((marker.state, Some(marker)))
}

fn is_of(name: &str, found: &str, middle: &str) -> bool {
    let run = found.rsplit_once(middle).and_then(|(_, run)| run_of(run));
    run.is_some_and(|run| {
        let names = Names::new(name, &run);
        names.stand_in == found || names.aside == found
    })
}

fn run_of(text: &str) -> Option<RunId> {
    let (start, digits) = text.split_once('_')?;
    format!("{}-{digits}", start.to_ascii_uppercase()).parse().ok()
}

const DIGEST_DIGITS: usize = 8;
const REPLACING: &str = "_replacing_";
const REPLACED: &str = "_replaced_";

#[cfg(test)]
mod tests {
    use lifeboat_core::RunId;

    use super::{Marker, Names, Schema, State, recognise};

    fn run() -> RunId {
        "20261121T021700Z-7f3a9c".parse().unwrap()
    }

    fn marker(state: State) -> String {
        let (database, comment) = ("shop".to_owned(), Some("the \"shop\"".to_owned()));
        Marker { schema: Schema::V1, state, database, run: run(), backup: None, replaced_at: None, comment }.to_text()
    }

    #[test]
    fn names_carry_the_run_and_fit_whatever_they_begin_with() {
        let names = Names::new("shop", &run());
        assert_eq!(names.aside, "shop_replaced_20261121t021700z_7f3a9c");
        assert_eq!(names.stand_in, "shop_replacing_20261121t021700z_7f3a9c");
        let long = Names::new(&"ä".repeat(31), &run());
        assert!(long.stand_in.len() <= 63 && long.stand_in.ends_with("_replacing_20261121t021700z_7f3a9c"));
        assert_eq!(recognise(&"ä".repeat(31), &long.stand_in, None), Some((State::Restoring, None)));
    }

    #[test]
    fn long_names_that_begin_alike_are_kept_apart() {
        let (one, other) = ("a_rather_long_database_name_of_shop_1", "a_rather_long_database_name_of_shop_2");
        let names = Names::new(one, &run());
        assert_eq!(names.stand_in, "a_rather_long_databa_c28c71cb_replacing_20261121t021700z_7f3a9c");
        assert_eq!(recognise(one, &names.stand_in, None), Some((State::Restoring, None)));
        assert_eq!(recognise(other, &names.stand_in, None), None);
        assert_ne!(names, Names::new(other, &run()));
    }

    #[test]
    fn a_database_is_recognised_by_its_name_and_its_comment_together() {
        let names = Names::new("shop", &run());
        let state = |found: &str, comment: Option<&str>| recognise("shop", found, comment).map(|(state, _)| state);
        assert_eq!(state(&names.stand_in, None), Some(State::Restoring));
        assert_eq!(state(&names.stand_in, Some(&marker(State::Restored))), Some(State::Restored));
        assert_eq!(state(&names.aside, Some(&marker(State::Replaced))), Some(State::Replaced));
        let (_, found) = recognise("shop", &names.aside, Some(&marker(State::Replaced))).unwrap();
        assert_eq!(found.unwrap().comment.as_deref(), Some("the \"shop\""));
    }

    #[test]
    fn what_others_made_is_nobodys() {
        let names = Names::new("shop", &run());
        for (found, comment) in [
            (&*names.aside, None),
            (&names.aside, Some("keep!")),
            (&names.aside, Some(&*marker(State::Restored))),
            (&names.stand_in, Some("mine")),
            (&names.stand_in, Some(&marker(State::Replaced))),
            ("shop_replacing_", None),
            ("shop_replacing_20261121t021700z_7f3a9c_copy", None),
            ("shop_replacing_20261121T021700Z-7f3a9c", None),
            ("bookshop_replacing_20261121t021700z_7f3a9c", None),
            ("shop_replacing_7f3a9c", None),
        ] {
            assert_eq!(recognise("shop", found, comment), None, "{found} {comment:?}");
        }
        assert_eq!(recognise("shop2", &names.stand_in, None), None);
    }
}
