//! Values whose AAD is made of a column that another rotation writes: once that is done, they open by no key.

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Error, Kind, Result};

use super::book::{Entry, newest_entries};
use super::errand::Errand;
use super::overlap::of_same_rows;
use super::schema;
use super::status::Phase;
use crate::columns::AadTemplate;

/// Refuses targets of which one writes what another's values are bound to: one that is asked for with it, or that the book knows.
pub(super) async fn refuse_unbinding(session: &mut DirectSession, errands: &[Errand<'_>]) -> Result<()> {
    for errand in errands {
        refuse_to_unbind(session, errand, errands).await?;
    }
    Ok(())
}

/// The same for one of those that are asked for.
pub(super) async fn refuse_to_unbind(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    asked: &[Errand<'_>],
) -> Result<()> {
    let one = Side::of(errand);
    for other in asked.iter().filter(|other| !is_same(errand, other) && other.shares_rows_with(errand)) {
        refuse(&one, &Side::of(other))?;
        refuse(&Side::of(other), &one)?;
    }
    if !schema::exists(session).await? {
        return Ok(());
    }
    for entry in newest_entries(session, &of_same_rows(errand)).await? {
        let is_asked = asked.iter().any(|asked| entry.is_of(asked.target));
        if is_asked || !has_columns(errand, &entry.columns) {
            continue;
        }
        let other = Side::booked(&entry)?;
        refuse(&one, &other)?;
        // What was written before, it is bound to as it is.
        if !other.is_over {
            refuse(&other, &one)?;
        }
    }
    Ok(())
}

/// A rotation as one that writes, and as one whose values are bound.
struct Side {
    name: String,
    columns: Vec<String>,
    aad: AadTemplate,
    /// Whether it is over: what the application writes since may have another AAD.
    is_over: bool,
}

impl Side {
    fn of(errand: &Errand<'_>) -> Self {
        let target = errand.target;
        Self { name: target.to_string(), columns: target.value_columns(), aad: target.aad.clone(), is_over: false }
    }

    fn booked(entry: &Entry) -> Result<Self> {
        let name = format!("{}.{}", entry.table(), entry.columns.join("+"));
        let is_over = entry.phase == Phase::Finalized;
        Ok(Self { name, columns: entry.columns.clone(), aad: entry.aad.parse()?, is_over })
    }
}

fn refuse(writer: &Side, bound: &Side) -> Result<()> {
    let keys = bound.aad.key_columns();
    let moving: Vec<_> = keys.into_iter().filter(|key| writer.columns.iter().any(|column| column == key)).collect();
    if moving.is_empty() {
        return Ok(());
    }
    let way_out = if bound.is_over {
        format!(
            ". When the AAD of {} is another one by now, name both in one command, that one with its AAD of now",
            bound.name
        )
    } else {
        String::new()
    };
    let (Side { name: writer, .. }, Side { name: bound, aad, .. }) = (writer, bound);
    let doing = format!(
        "rotate {writer}: the AAD {aad} of {bound} is made of {}, which the rotation of {writer} rewrites",
        moving.join(" and ")
    );
    Err(Error::new(Kind::Policy, doing).hint(format!(
        "nothing was written: no value of {bound} would open any more. Only the application can rotate {writer}; {bound} can be rotated while nobody rotates that{way_out}"
    )))
}

/// A target's values that are bound to themselves are refused with what else stands in its own way.
fn is_same(one: &Errand<'_>, other: &Errand<'_>) -> bool {
    one.target.table == other.target.table && one.target.value_columns() == other.target.value_columns()
}

/// A rotation that is over may be of columns that are there no more.
fn has_columns(errand: &Errand<'_>, names: &[String]) -> bool {
    let columns = || errand.found.facts.iter().flat_map(|fact| &fact.columns);
    names.iter().all(|name| columns().any(|column| column.name == *name))
}
