//! Which entries of the archive a selection restores, and what it leaves out at its border.
//!
//! What is *selected* is made with its rows and parts. What that *needs* is made too, tables among it without rows. Parts
//! that refer to tables which are not selected are left out, and so are views and functions of a selected schema.

use std::borrow::Cow;
use std::collections::BTreeSet;

use lifeboat_core::Result;
use serde::Serialize;

use super::kind::{is_firm, is_nameable, is_never_selected, is_part, is_relation, is_remark};
use super::name::{Selection, shown};
use super::near;
use super::needs::Needs;
use super::toc::{Entry, Toc};

/// Positions of entries.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Everything that is restored.
    pub(super) included: BTreeSet<usize>,
    /// What of it was named, is in a schema that was, or is a partition or the sequence of a column of such a table.
    pub(super) selected: BTreeSet<usize>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Something about what was selected that is not restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What it is, by type and name.
    pub what: String,
    /// Why.
    pub why: String,
    /// The statements that would make it.
    pub statement: String,
}

impl Chosen {
    /// Whether the entry is there with all that belongs to it: a table that is only needed is not.
    pub(super) fn is_whole(&self, toc: &Toc, position: usize) -> bool {
        self.included.contains(&position)
            && (self.selected.contains(&position) || !is_relation(&toc.entries[position].kind))
    }
}

/// Chooses.
///
/// # Errors
/// [`lifeboat_core::Kind::Usage`] for names that select nothing, or more than one table.
pub(super) fn choose(toc: &Toc, selection: &Selection) -> Result<Chosen> {
    let needs = Needs::of(toc);
    let mut chooser = Chooser { toc, needs: &needs, chosen: Chosen::default() };
    chooser.chosen.selected = near::named(toc, selection)?;
    chooser.with_what_is_theirs();
    for position in chooser.chosen.selected.clone() {
        chooser.include(position);
    }
    let refused = chooser.add_what_stands_alone(selection);
    chooser.add_parts();
    chooser.add_remarks(selection);
    chooser.list_the_border(&refused);
    Ok(chooser.chosen)
}

struct Chooser<'t> {
    toc: &'t Toc,
    needs: &'t Needs,
    chosen: Chosen,
}

impl Chooser<'_> {
    fn kind(&self, position: usize) -> &str {
        &self.toc.entries[position].kind
    }

    /// Selects partitions of selected tables, and the sequences of their columns.
    fn with_what_is_theirs(&mut self) {
        let mut waiting: Vec<_> = self.chosen.selected.iter().copied().collect();
        while let Some(table) = waiting.pop() {
            let theirs = self.needs.attached.iter().chain(&self.needs.owned).filter(|(_, of)| *of == table);
            for (position, _) in theirs {
                if self.chosen.selected.insert(*position) {
                    waiting.push(*position);
                }
            }
        }
    }

    /// Includes an entry and all that it needs.
    fn include(&mut self, position: usize) {
        let mut waiting = vec![position];
        while let Some(position) = waiting.pop() {
            if self.chosen.included.insert(position) {
                waiting.extend(self.needs.direct(position));
            }
        }
    }

    /// Views, functions, types and the like of selected schemas, unless they need a table that is not selected.
    fn add_what_stands_alone(&mut self, selection: &Selection) -> Vec<usize> {
        let of_schema = |entry: &Entry| {
            let named = |schema: &str| selection.schemas.iter().any(|name| name.0 == schema);
            entry.schema.as_deref().is_some_and(named) && !is_firm(&entry.kind)
        };
        let is_object =
            |entry: &Entry| !is_part(&entry.kind) && !is_remark(&entry.kind) && !is_never_selected(&entry.kind);
        let entries = self.toc.entries.iter().enumerate();
        let wanted: BTreeSet<_> =
            entries.filter(|(_, entry)| of_schema(entry) && is_object(entry)).map(|(position, _)| position).collect();
        let wanted: BTreeSet<_> = wanted.difference(&self.chosen.selected).copied().collect();
        let (refused, accepted): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|position| self.outside(**position, &wanted).is_some());
        self.chosen.selected.extend(&accepted);
        for position in accepted {
            self.include(position);
        }
        refused
    }

    /// A relation that the entry needs and that is neither selected nor in `also`.
    fn outside(&self, position: usize, also: &BTreeSet<usize>) -> Option<usize> {
        let stands = |at| self.chosen.selected.contains(&at) && !also.contains(&at);
        self.needs.find(position, stands, |at| is_relation(self.kind(at)) && !also.contains(&at))
    }

    fn add_parts(&mut self) {
        // An index is attached after both were made; everything else stands before its parts.
        for (position, entry) in self.toc.entries.iter().enumerate() {
            let belongs = |need: &usize| match entry.kind.as_str() {
                "CAST" => self.chosen.selected.contains(need),
                _ => self.chosen.is_whole(self.toc, *need),
            };
            if is_part(&entry.kind)
                && self.needs.direct(position).iter().any(belongs)
                && self.outside(position, &BTreeSet::new()).is_none()
            {
                self.include(position);
            }
        }
    }

    /// Comments, labels and privileges of what is included, and the privileges that selected schemas give by default.
    fn add_remarks(&mut self, selection: &Selection) {
        for (position, entry) in self.toc.entries.iter().enumerate() {
            let subjects = self.needs.depends(position);
            let is_there = |subject: &usize| match entry.kind.as_str() {
                // Nobody but the owner gets at a table that came without rows and policies.
                "ACL" => self.chosen.is_whole(self.toc, *subject),
                _ => self.chosen.included.contains(subject),
            };
            let of_a_schema = selection.schemas.iter().any(|name| Some(&name.0) == entry.schema.as_ref());
            if is_remark(&entry.kind) && !subjects.is_empty() && subjects.iter().all(is_there)
                || entry.kind == "DEFAULT ACL" && of_a_schema
            {
                self.chosen.included.insert(position);
            }
        }
    }

    /// Lists what refers to a selected relation, or is in a selected schema, and is not restored.
    fn list_the_border(&mut self, refused: &[usize]) {
        let is_selected = |at: &usize| self.chosen.selected.contains(at) && is_relation(self.kind(*at));
        let mut left_out = Vec::new();
        for (position, entry) in self.toc.entries.iter().enumerate() {
            let about = self.needs.depends(position).iter().any(is_selected);
            let is_told = !is_remark(&entry.kind) && entry.kind != "INDEX ATTACH";
            if !self.chosen.included.contains(&position) && (refused.contains(&position) || about && is_told) {
                left_out.push(LeftOut {
                    what: described(&view_of(entry)),
                    why: self.why(position),
                    statement: entry.definition.trim().to_owned(),
                });
            }
        }
        self.chosen.left_out = left_out;
    }

    fn why(&self, position: usize) -> String {
        let its_view = |at: &&usize| {
            let view = &self.toc.entries[**at];
            view.kind == "VIEW" && format!("{} _RETURN", view.tag) == self.toc.entries[position].tag
        };
        let also = self.needs.direct(position).iter().filter(its_view).copied().collect();
        match self.outside(position, &also) {
            Some(other) => {
                let other = &self.toc.entries[other];
                format!("it refers to {}, which is not selected", shown(other.schema.as_deref(), &other.tag))
            }
            None if is_never_selected(self.kind(position)) => "publications are not part of a selection".to_owned(),
            None => "it is not selected".to_owned(),
        }
    }
}

/// The view, where the entry is the query that a view in a circle of definitions gets later.
fn view_of(entry: &Entry) -> Cow<'_, Entry> {
    match entry.tag.strip_suffix(" _RETURN").filter(|_| entry.kind == "RULE") {
        Some(view) => Cow::Owned(Entry { kind: "VIEW".to_owned(), tag: view.to_owned(), ..entry.clone() }),
        None => Cow::Borrowed(entry),
    }
}

/// An entry for people: `fk constraint sales.items items_product_fkey`.
pub(super) fn described(entry: &Entry) -> String {
    let kind = entry.kind.to_lowercase();
    if is_nameable(&entry.kind) {
        return format!("{kind} {}", shown(entry.schema.as_deref(), &entry.tag));
    }
    let schema = entry.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{kind} {schema}{}", entry.tag)
}
