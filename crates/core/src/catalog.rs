//! The catalog: definitions of a database's objects by class, so that a drill can say what differs and where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::gunzip;
use crate::error::{Kind, Result, ResultExt};
use crate::manifest::refuse_other_formats;

/// Definitions by class and identity; both sides of a comparison are read by the same queries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Version of the archive format.
    pub format: u32,
    /// `"indexes"` → `"public.orders_pkey"` → its definition.
    pub classes: BTreeMap<String, BTreeMap<String, String>>,
}

/// One object that two catalogs do not agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Class of the object.
    pub class: String,
    /// Identity of the object within its class.
    pub identity: String,
    /// Its definition on the left, if it is there.
    pub left: Option<String>,
    /// Its definition on the right, if it is there.
    pub right: Option<String>,
}

impl Catalog {
    /// Reads `catalog.json.gz`.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is damaged, [`Kind::Config`] when its format is another.
    pub fn parse(gzip_bytes: &[u8]) -> Result<Self> {
        let json = gunzip(gzip_bytes)?;
        refuse_other_formats(&json)?;
        serde_json::from_slice(&json).kind_of(Kind::Integrity, || "read the catalog".into())
    }

    /// Everything in which `other` differs from this catalog, by class and identity.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        for class in union(&self.classes, &other.classes) {
            let (left, right) = (self.classes.get(class), other.classes.get(class));
            let empty = BTreeMap::new();
            let (left, right) = (left.unwrap_or(&empty), right.unwrap_or(&empty));
            for identity in union(left, right) {
                let (left, right) = (left.get(identity), right.get(identity));
                if left != right {
                    found.push(Difference {
                        class: class.clone(),
                        identity: identity.clone(),
                        left: left.cloned(),
                        right: right.cloned(),
                    });
                }
            }
        }
        found
    }
}

fn union<'a, V>(left: &'a BTreeMap<String, V>, right: &'a BTreeMap<String, V>) -> Vec<&'a String> {
    let mut keys: Vec<_> = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))).collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::Catalog;

    fn catalog(json: &str) -> Catalog {
        serde_json::from_str(&format!(r#"{{"format":1,"classes":{json}}}"#)).unwrap()
    }

    #[test]
    fn differences_name_class_identity_and_both_sides() {
        let left = catalog(r#"{"indexes":{"a":"1","b":"2"},"views":{"v":"x"}}"#);
        let right = catalog(r#"{"indexes":{"a":"1","b":"3","c":"4"}}"#);
        let found: Vec<_> = left
            .differences(&right)
            .into_iter()
            .map(|d| (d.class, d.identity, d.left.is_some(), d.right.is_some()))
            .collect();
        let expect = [("indexes", "b", true, true), ("indexes", "c", false, true), ("views", "v", true, false)];
        assert_eq!(found, expect.map(|(c, i, l, r)| (c.to_owned(), i.to_owned(), l, r)));
        assert!(left.differences(&left).is_empty());
    }
}
