//! What stands in the way of a rotation, and what its operator should know.

use super::{Fact, Found};
use crate::sweep::target::Target;

/// Whether only reading is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sweep) enum Use {
    Read,
    Write,
}

/// What stands in the way, each with what to do about it.
pub(in crate::sweep) fn refusals(found: &Found, target: &Target, r#use: Use) -> Vec<String> {
    let mut refusals = Vec::new();
    for fact in &found.facts {
        refuse_rows_elsewhere(fact, &mut refusals);
        refuse_hidden_rows(fact, &mut refusals);
        refuse_missing_rights(fact, target, r#use, &mut refusals);
        if r#use == Use::Write {
            refuse_unwritable(fact, target, &mut refusals);
        }
    }
    refusals
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
    let values = target.value_columns();
    let needed = |name: &String| values.contains(name) || target.aad.key_columns().contains(&name.as_str());
    let unreadable: Vec<_> = fact
        .columns
        .iter()
        .filter(|column| needed(&column.name) && !column.readable)
        .map(|c| c.name.as_str())
        .collect();
    if !unreadable.is_empty() {
        refusals.push(format!("this role may not read {table}: GRANT SELECT ON {table} TO the role"));
    }
    let unwritable: Vec<_> = fact
        .columns
        .iter()
        .filter(|column| values.contains(&column.name) && !column.writable)
        .map(|c| c.name.as_str())
        .collect();
    if r#use == Use::Write && !unwritable.is_empty() {
        let columns = unwritable.join(", ");
        refusals.push(format!("this role may not write {table}: GRANT UPDATE ({columns}) ON {table} TO the role"));
    }
}

fn refuse_unwritable(fact: &Fact, target: &Target, refusals: &mut Vec<String>) {
    let values = target.value_columns();
    for column in fact.columns.iter().filter(|column| values.contains(&column.name) && column.generated) {
        refusals.push(format!("{} of {} is generated: rotate the column that it is made of", column.name, fact.name()));
    }
    if fact.cannot_publish {
        refusals.push(format!(
            "{0} is published without a replica identity, so that updates fail: ALTER TABLE {0} REPLICA IDENTITY FULL, or give it a primary key",
            fact.name()
        ));
    }
}

/// What the operator should know.
pub(in crate::sweep) fn remarks(found: &Found, target: &Target) -> Vec<String> {
    let values = target.value_columns();
    let mut remarks = Vec::new();
    for fact in &found.facts {
        for trigger in &fact.triggers {
            let may = if trigger.before { " and may change it, such as a time of its last change" } else { "" };
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
