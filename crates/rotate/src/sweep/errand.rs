//! A target with its keys and what the catalog says of it: what is asked before anything is written.

use std::sync::Arc;

use lifeboat_backup::postgres::{DirectSession, Session as _};
use lifeboat_core::{Error, Kind, Result};

use super::catalog::{self, Found, Swept, Use};
use super::keys::{probe, refuse_unexpected};
use super::options::SweepOptions;
use super::sql;
use super::status::Direction;
use super::target::{TableName, Target};
use crate::Keyring;

/// A target, ready to be swept.
pub(super) struct Errand<'t> {
    pub(super) target: &'t Target,
    pub(super) found: Found,
    pub(super) relations: Vec<Arc<Swept>>,
    /// Fingerprints.
    pub(super) old_key: String,
    pub(super) new_key: String,
}

impl<'t> Errand<'t> {
    /// Looks one target up. Its keys are tried on each other and on nothing else.
    pub(super) async fn find(session: &mut DirectSession, target: &'t Target, options: &SweepOptions) -> Result<Self> {
        let keyring = target.keyring().map_err(|error| error.while_doing(format!("take the keys of {target}")))?;
        let new_key = keyring.primary().fingerprint().to_owned();
        let old_key = target.keys.old.derive()?.fingerprint().to_owned();
        refuse_unexpected(&new_key, options, target)?;
        probe(&keyring, target)?;
        let found = catalog::find(session, target, options).await?;
        let relations = found.relations.iter().cloned().map(Arc::new).collect();
        Ok(Self { target, found, relations, old_key, new_key })
    }

    /// The keyring of the way forward, or back.
    pub(super) fn keyring(&self, direction: Direction) -> Result<Keyring> {
        match direction {
            Direction::Forward => self.target.keyring(),
            Direction::Back => self.target.keyring_back(),
        }
    }

    /// Refuses what would end in half a rotation.
    pub(super) fn refuse(&self, r#use: Use) -> Result<()> {
        let refusals = catalog::refusals(&self.found, self.target, r#use);
        if refusals.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("rotate {}", self.target)).hint(refusals.join("; ")))
    }

    /// Whether a row of this target is a row of the other one, too.
    pub(super) fn shares_rows_with(&self, other: &Errand<'_>) -> bool {
        let is_others = |oid: u32| other.relations.iter().any(|relation| relation.oid == oid);
        self.relations.iter().any(|relation| is_others(relation.oid))
    }

    /// A table of the target in which a row holds more than NULL and the empty text.
    pub(super) async fn holds_something(&self, session: &mut DirectSession) -> Result<Option<&TableName>> {
        for swept in &self.relations {
            if session.text(&sql::any_value(swept)).await?.is_some() {
                return Ok(Some(&swept.name));
            }
        }
        Ok(None)
    }

    pub(super) fn estimated_rows(&self) -> u64 {
        self.relations.iter().map(|swept| swept.rows).sum()
    }
}

/// Every target, none of which stands in another's way.
pub(super) async fn errands<'t>(
    session: &mut DirectSession,
    targets: &'t [Target],
    options: &SweepOptions,
) -> Result<Vec<Errand<'t>>> {
    let mut errands: Vec<Errand<'t>> = Vec::new();
    if targets.is_empty() {
        return Err(Error::new(Kind::Usage, "rotate no column at all").hint("name a table and a column"));
    }
    for target in targets {
        let errand = Errand::find(session, target, options).await?;
        for other in &errands {
            refuse_shared(other, &errand)?;
        }
        errands.push(errand);
    }
    Ok(errands)
}

/// Whatever their layouts: of a column there is one rotation at a time, for members of one JSON document too. An IV that two values
/// have in common is lost to one of them as soon as the other has a new one.
fn refuse_shared(one: &Errand<'_>, other: &Errand<'_>) -> Result<()> {
    let (columns, others) = (one.target.value_columns(), other.target.value_columns());
    let shared: Vec<_> = columns.iter().filter(|column| others.contains(column)).map(String::as_str).collect();
    if shared.is_empty() || !one.shares_rows_with(other) {
        return Ok(());
    }
    if columns.len() == shared.len() && others.len() == shared.len() {
        return Err(Error::new(Kind::Usage, format!("rotate {} twice", other.target))
            .hint("a column has one layout and one pair of keys"));
    }
    let shared = shared.join(", ");
    Err(Error::new(Kind::Policy, format!("rotate {} and {}, which both write {shared}", one.target, other.target))
        .hint(format!("nothing was written: whichever is rotated first takes {shared} from the other. Let the application write each value with an IV and a key id of its own first")))
}
