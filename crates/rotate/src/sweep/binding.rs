//! Values whose AAD is made of a column that another rotation writes: once that is done, they open by no key.

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Error, Kind, Result};

use super::book::{Entry, newest_entries};
use super::errand::Errand;
use super::overlap::{has_rows_of, of_same_rows};
use super::schema;
use super::status::Phase;
use super::target::TableName;
use crate::columns::AadTemplate;

/// Columns whose values are bound to what their rows hold, and which need not be targets now: what they are bound to is not rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The table, partitioned or not.
    pub table: TableName,
    /// The columns of a value.
    pub columns: Vec<String>,
    /// What else is authenticated.
    pub aad: AadTemplate,
}

/// Refuses targets of which one writes what another's values are bound to: one that is asked for with it, or declared, or that the
/// book knows.
pub(super) async fn refuse_unbinding(
    session: &mut DirectSession,
    errands: &[Errand<'_>],
    declared: &[Declared],
) -> Result<()> {
    for errand in errands {
        refuse_to_unbind(session, errand, errands, declared).await?;
    }
    Ok(())
}

/// The same for one of those that are asked for.
pub(super) async fn refuse_to_unbind(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    asked: &[Errand<'_>],
    declared: &[Declared],
) -> Result<()> {
    let one = Side::of(errand);
    for other in others(session, errand, asked, declared).await? {
        refuse(&one, &other)?;
        // What was written before, or is not written now, is bound to that as it is.
        if other.standing == Standing::Rotated {
            refuse(&other, &one)?;
        }
    }
    Ok(())
}

/// The same for one that is to be taken back, which writes as well.
pub(super) async fn refuse_to_unbind_back(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    asked: &[Errand<'_>],
    declared: &[Declared],
) -> Result<()> {
    let one = Side::of(errand);
    for other in others(session, errand, asked, declared).await? {
        refuse_back(&one, &other)?;
    }
    Ok(())
}

/// What else there is in a target's rows of which it is known what its values are bound to.
async fn others(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    asked: &[Errand<'_>],
    declared: &[Declared],
) -> Result<Vec<Side>> {
    let are_here = asked.iter().filter(|other| !is_same(errand, other) && other.shares_rows_with(errand));
    let mut others: Vec<_> = are_here.map(Side::of).collect();
    let is_asked = |table: &TableName, columns: &[String]| {
        asked.iter().any(|asked| asked.target.table == *table && asked.target.value_columns() == columns)
    };
    for other in declared {
        let is_told = is_asked(&other.table, &other.columns) || !has_columns(errand, &other.columns);
        if !is_told && has_rows_of(session, errand, &other.table).await? {
            others.push(Side::declared(other, errand));
        }
    }
    if !schema::exists(session).await? {
        return Ok(others);
    }
    for entry in newest_entries(session, &of_same_rows(errand)).await? {
        if !is_asked(&entry.table(), &entry.columns) && has_columns(errand, &entry.columns) {
            others.push(Side::booked(&entry, errand)?);
        }
    }
    Ok(others)
}

/// A rotation as one that writes, and as one whose values are bound.
struct Side {
    name: String,
    /// What changes when it is written.
    moving: Vec<String>,
    aad: AadTemplate,
    standing: Standing,
}

/// What is known of a column, and since when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is rotated, too.
    Rotated,
    /// Its rotation is over: what the application writes since may have another AAD.
    Over,
    /// It is only declared.
    Declared,
}

impl Side {
    fn of(errand: &Errand<'_>) -> Self {
        let target = errand.target;
        let (name, aad) = (target.to_string(), target.aad.clone());
        Self { name, moving: moving(errand, &target.value_columns()), aad, standing: Standing::Rotated }
    }

    /// In the rows of a target.
    fn declared(declared: &Declared, errand: &Errand<'_>) -> Self {
        let (name, aad) = (named(&declared.table, &declared.columns), declared.aad.clone());
        Self { name, moving: moving(errand, &declared.columns), aad, standing: Standing::Declared }
    }

    fn booked(entry: &Entry, errand: &Errand<'_>) -> Result<Self> {
        let standing = if entry.phase == Phase::Finalized { Standing::Over } else { Standing::Rotated };
        let name = named(&entry.table(), &entry.columns);
        Ok(Self { name, moving: moving(errand, &entry.columns), aad: entry.aad.parse()?, standing })
    }

    /// The columns of its AAD that another one writes.
    fn taken_by(&self, writer: &Self) -> Option<String> {
        let keys = self.aad.key_columns();
        let moving: Vec<_> = keys.into_iter().filter(|key| writer.moving.iter().any(|column| column == key)).collect();
        (!moving.is_empty()).then(|| moving.join(" and "))
    }

    /// What to do when it is not so any more.
    fn way_out(&self) -> String {
        let name = &self.name;
        match self.standing {
            Standing::Rotated => String::new(),
            Standing::Over => format!(
                ". When the AAD of {name} is another one by now, name both in one command, that one with its AAD of now"
            ),
            Standing::Declared => format!(". When {name} has another AAD, declare it with that one"),
        }
    }
}

fn moving(errand: &Errand<'_>, columns: &[String]) -> Vec<String> {
    errand.found.moving(columns).map(str::to_owned).collect()
}

fn named(table: &TableName, columns: &[String]) -> String {
    format!("{table}.{}", columns.join("+"))
}

fn refuse(writer: &Side, bound: &Side) -> Result<()> {
    let Some(moving) = bound.taken_by(writer) else { return Ok(()) };
    let (writer, aad, way_out) = (&writer.name, &bound.aad, bound.way_out());
    let bound = &bound.name;
    let doing = format!(
        "rotate {writer}: the AAD {aad} of {bound} is made of {moving}, which the rotation of {writer} rewrites"
    );
    Err(Error::new(Kind::Policy, doing).hint(format!(
        "nothing was written: no value of {bound} would open any more. Only the application can rotate {writer}; {bound} can be rotated while nobody rotates that{way_out}"
    )))
}

fn refuse_back(writer: &Side, bound: &Side) -> Result<()> {
    let Some(moving) = bound.taken_by(writer) else { return Ok(()) };
    let (writer, aad, way_out) = (&writer.name, &bound.aad, bound.way_out());
    let bound = &bound.name;
    let doing = format!(
        "roll the rotation of {writer} back: the AAD {aad} of {bound} is made of {moving}, which would be rewritten"
    );
    Err(Error::new(Kind::Policy, doing).hint(format!(
        "nothing was changed: no value of {bound} that is bound to {moving} as it is now would open any more{way_out}"
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
