//! The names of a store's settings: those of the environment's variables, so that a configuration and an environment say
//! the same. `AWS_*` names are `object_store`'s own.

use std::collections::BTreeMap;

/// Who runs the store: a [`Provider`](super::Provider)'s name.
pub const PROVIDER: &str = "LIFEBOAT_STORE_PROVIDER";
/// The checksum of each part: a [`Checksum`](super::Checksum)'s name.
pub const CHECKSUM: &str = "LIFEBOAT_STORE_CHECKSUM";
/// Whether the bucket stands in the path (`true`) or in the host name (`false`).
pub const PATH_STYLE: &str = "LIFEBOAT_STORE_PATH_STYLE";
/// Parts an object may have.
pub const PARTS_MAX: &str = "LIFEBOAT_STORE_PARTS_MAX";
/// What deleting takes: the name of a [`Deletes`](super::Deletes).
pub const DELETES: &str = "LIFEBOAT_STORE_DELETES";
/// The id of B2's application key.
pub const B2_KEY_ID: &str = "B2_APPLICATION_KEY_ID";
/// B2's application key.
pub const B2_KEY: &str = "B2_APPLICATION_KEY";

/// A setting by its name, in any case.
pub(super) fn find<'a>(given: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
