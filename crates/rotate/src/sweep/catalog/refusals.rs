//! What stands in the way of a rotation, and what its operator should know.

use lifeboat_backup::postgres::quote_ident;

use super::{Fact, FactColumn, Found};
use crate::sweep::options::Mode;
use crate::sweep::target::Target;

/// What is asked of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sweep) enum Use {
    Read,
    /// Values are written batch by batch.
    Write,
    /// All of them in one transaction, which keeps others out.
    WriteAlone,
}

impl Use {
    pub(in crate::sweep) fn of(mode: Mode) -> Self {
        match mode {
            Mode::Online => Self::Write,
            Mode::Staged | Mode::Offline => Self::WriteAlone,
        }
    }
}

/// What stands in the way, each with what to do about it.
pub(in crate::sweep) fn refusals(found: &Found, target: &Target, r#use: Use) -> Vec<String> {
    let mut refusals = Vec::new();
    if r#use != Use::Read {
        refuse_a_moving_aad(found, target, &mut refusals);
    }
    for fact in &found.facts {
        refuse_rows_elsewhere(fact, &mut refusals);
        refuse_hidden_rows(fact, &mut refusals);
        refuse_missing_rights(fact, target, r#use, &mut refusals);
        if r#use != Use::Read {
            refuse_unwritable(fact, target, &mut refusals);
        }
    }
    refusals
}

/// A value that is bound to what is written with it does not open once that is done.
fn refuse_a_moving_aad(found: &Found, target: &Target, refusals: &mut Vec<String>) {
    let values = target.value_columns();
    let is_moving = |name: &&str| found.moving(&values).any(|moving| moving == *name);
    let moving: Vec<_> = target.aad.key_columns().into_iter().filter(is_moving).collect();
    if !moving.is_empty() {
        refusals.push(format!(
            "the AAD {} is made of {}, which the rotation itself rewrites: no value would open any more. Only the application can rotate these",
            target.aad,
            moving.join(" and ")
        ));
    }
}

/// Rows that another server or a program holds stay under the old key.
fn refuse_rows_elsewhere(fact: &Fact, refusals: &mut Vec<String>) {
    if !matches!(fact.kind.as_str(), "r" | "p") {
        refusals.push(format!(
            "{0} belongs to the table, and its rows lie elsewhere: rotate them there, and detach {0} for the time of the rotation",
            fact.name()
        ));
    }
}

/// A sweep that does not see a row leaves it under the old key, and says that it is done.
fn refuse_hidden_rows(fact: &Fact, refusals: &mut Vec<String>) {
    if fact.hides_rows {
        refusals.push(format!(
            "row-level security of {} hides rows from this role: connect as its owner without FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS",
            fact.name()
        ));
    }
}

fn refuse_missing_rights(fact: &Fact, target: &Target, r#use: Use, refusals: &mut Vec<String>) {
    let table = fact.name();
    if !fact.usable_schema {
        refusals
            .push(format!("this role may not use the schema {0}: GRANT USAGE ON SCHEMA {0} TO the role", fact.schema));
    }
    if fact.kind == "r" && !fact.readable {
        refusals.push(format!("this role may not read {table}: GRANT SELECT ON {table} TO the role"));
    }
    // Locked is what the target names; written are the tables that hold rows.
    if r#use == Use::WriteAlone && fact.name() == target.table && !fact.lockable {
        refusals.push(format!(
            "this role may not keep writers out of {table}, for which no right to single columns is enough: GRANT UPDATE ON {table} TO the role"
        ));
        return;
    }
    let values = target.value_columns();
    let is_unwritable = |column: &&FactColumn| values.contains(&column.name) && !column.writable;
    let unwritable: Vec<_> = fact.columns.iter().filter(is_unwritable).map(|column| column.name.as_str()).collect();
    if r#use != Use::Read && fact.kind == "r" && !unwritable.is_empty() {
        let columns = unwritable.join(", ");
        refusals.push(format!("this role may not write {table}: GRANT UPDATE ({columns}) ON {table} TO the role"));
    }
}

fn refuse_unwritable(fact: &Fact, target: &Target, refusals: &mut Vec<String>) {
    let values = target.value_columns();
    for column in fact.columns.iter().filter(|column| values.contains(&column.name) && column.generated) {
        refusals.push(format!("{} of {} is generated: rotate the column that it is made of", column.name, fact.name()));
    }
    for rule in &fact.rules {
        refusals.push(format!(
            "the rule {rule} of {0} puts something else in the place of an update, or beside it: ALTER TABLE {0} DISABLE RULE {1} for the time of the rotation",
            fact.name(),
            quote_ident(rule)
        ));
    }
    if fact.cannot_publish {
        refusals.push(format!(
            "{0} is published without a replica identity, so that updates fail: ALTER TABLE {0} REPLICA IDENTITY FULL, or give it a primary key",
            fact.name()
        ));
    }
}

/// What a trigger that fires after a row was written may do to it: the statement that wrote it does not see that, and the look that
/// does comes too late where each batch is a transaction.
fn may_unbind(target: &Target) -> String {
    let bound = target.aad.key_columns().join(" and ");
    if bound.is_empty() {
        return bound;
    }
    format!(
        ", and in the mode online the run sees what it did when it is too late: make sure that it does not change {bound}, which the AAD is made of, or no value would open any more"
    )
}

/// What the operator should know.
pub(in crate::sweep) fn remarks(found: &Found, target: &Target) -> Vec<String> {
    let values = target.value_columns();
    let mut remarks = Vec::new();
    for fact in &found.facts {
        for trigger in &fact.triggers {
            let may = match trigger.before {
                true => " and may change it, such as a time of its last change".to_owned(),
                false => may_unbind(target),
            };
            remarks.push(format!(
                "the trigger {} of {} fires for every row that is written{may}",
                trigger.name,
                fact.name()
            ));
        }
        for index in fact.indexes.iter().filter(|index| index.columns.iter().any(|column| values.contains(column))) {
            let unique = if index.unique { "unique " } else { "" };
            remarks.push(format!(
                "the {unique}index {} holds the values: every write makes an entry in each index of {}",
                index.name,
                fact.name()
            ));
        }
    }
    for relation in found.relations.iter().filter(|relation| relation.key.is_empty()) {
        remarks.push(format!(
            "{} has no key: rows are named by their place, which changes with every update",
            relation.name
        ));
    }
    remarks
}
