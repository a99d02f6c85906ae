//! What a plan was made of.
//!
//! Between a plan and its confirmation a name may go to another database, by another operator's hand or by ours. What was confirmed
//! is done with the databases that were looked at, or not at all: they are told by what no rename changes.

use lifeboat_core::{Error, Kind, Result};
use serde::Serialize;

/// The databases of a plan, by their oids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pins {
    /// The server's, where the role may know it.
    pub system_identifier: Option<String>,
    /// The database that has the name.
    pub present: u32,
    /// The one that is to have it, where it is there already.
    pub coming: Option<u32>,
    /// Those that would be dropped.
    pub dropped: Vec<u32>,
}

impl Pins {
    /// Whether these are the databases that somebody confirmed; what killed runs left may be gone.
    ///
    /// # Errors
    /// [`Kind::Policy`] with what is another one.
    pub(super) fn check(&self, confirmed: Option<&Self>, doing: &str) -> Result<()> {
        let Some(confirmed) = confirmed else { return Ok(()) };
        let is_new = |oid: &u32| !confirmed.dropped.contains(oid);
        let why = [
            (self.system_identifier != confirmed.system_identifier, "another server answers"),
            (self.present != confirmed.present, "another database has the name"),
            (self.coming != confirmed.coming, "another database would get the name"),
            (self.dropped.iter().any(is_new), "other databases would be dropped"),
        ];
        let why: Vec<_> = why.into_iter().filter_map(|(differs, why)| differs.then_some(why)).collect();
        if why.is_empty() {
            return Ok(());
        }
        let doing = format!("{doing}: {} than when the plan was made; nothing was changed", why.join(", "));
        Err(Error::new(Kind::Policy, doing).hint("somebody else is at it: run it again, and look at the plan"))
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::Pins;

    fn pins() -> Pins {
        Pins { system_identifier: Some("7".into()), present: 1, coming: None, dropped: vec![2, 3] }
    }

    #[test]
    fn what_was_confirmed_is_what_is_done() {
        pins().check(None, "replace x").unwrap();
        pins().check(Some(&pins()), "replace x").unwrap();
        Pins { dropped: vec![3], ..pins() }.check(Some(&pins()), "replace x").unwrap();
        for (found, words) in [
            (Pins { system_identifier: Some("8".into()), ..pins() }, "another server"),
            (Pins { present: 9, ..pins() }, "another database has the name"),
            (Pins { coming: Some(2), ..pins() }, "another database would get the name"),
            (Pins { dropped: vec![2, 4], ..pins() }, "other databases would be dropped"),
        ] {
            let error = found.check(Some(&pins()), "replace x").unwrap_err();
            assert_eq!(error.kind(), Kind::Policy);
            assert!(error.to_string().contains(words), "{words} in {error}");
        }
    }
}
