//! What each definition needs so that it can run: the archive's dependencies, as far as they hold for a part of it.

use std::collections::{HashMap, HashSet};

use super::kind::{is_index, is_relation};
use super::toc::{Entry, Toc};

/// Positions of entries by position of the entry that needs them.
pub(super) struct Needs {
    needs: Vec<Vec<usize>>,
    /// What pg_dump says, to ask what is about what.
    depends: Vec<Vec<usize>>,
    /// Partition and the table it is attached to.
    pub(super) attached: Vec<(usize, usize)>,
    /// Sequence and the table whose column it counts for.
    pub(super) owned: Vec<(usize, usize)>,
}

impl Needs {
    pub(super) fn of(toc: &Toc) -> Self {
        let depends = depends(toc);
        let attached = attached(toc, &depends);
        let owned = owned(toc, &depends);
        let mut this = Self { needs: depends.clone(), depends, attached, owned };
        this.cut(toc);
        this.add(toc);
        this
    }

    /// What the entry at this position needs itself.
    pub(super) fn direct(&self, position: usize) -> &[usize] {
        &self.needs[position]
    }

    /// What pg_dump says that it depends on.
    pub(super) fn depends(&self, position: usize) -> &[usize] {
        &self.depends[position]
    }

    /// The first entry on the way through all that `from` needs which `stop` says true for; entries that `stands` says
    /// true for are not gone through.
    pub(super) fn find(
        &self,
        from: usize,
        stands: impl Fn(usize) -> bool,
        stop: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (mut seen, mut waiting) = (HashSet::from([from]), self.needs[from].clone());
        while let Some(at) = waiting.pop() {
            if stands(at) || !seen.insert(at) {
                continue;
            }
            if stop(at) {
                return Some(at);
            }
            waiting.extend(&self.needs[at]);
        }
        None
    }

    /// Takes away what only holds for a whole database: a partition is made by itself and attached later, and so is its
    /// index; a sequence is made before it is said whose it is.
    fn cut(&mut self, toc: &Toc) {
        let attached: HashSet<_> = self.attached.iter().copied().collect();
        for (position, needs) in self.needs.iter_mut().enumerate() {
            let entry = &toc.entries[position];
            needs.retain(|&need| {
                let kind = &toc.entries[need].kind;
                !(attached.contains(&(position, need)) && entry.kind == "TABLE"
                    || is_index(&entry.kind) && is_index(kind)
                    || is_free_sequence(entry) && is_relation(kind))
            });
        }
    }

    /// Adds what the archive leaves to its order.
    fn add(&mut self, toc: &Toc) {
        let by_name: HashMap<_, _> = toc.entries.iter().enumerate().map(|(at, entry)| (name(entry), at)).collect();
        let owners: HashMap<_, _> = self.owned.iter().copied().collect();
        for (position, entry) in toc.entries.iter().enumerate() {
            let schema = entry.schema.as_deref();
            let needs = &mut self.needs[position];
            needs.extend(schema.and_then(|schema| by_name.get(&key("SCHEMA", None, schema))));
            match entry.kind.as_str() {
                // The type that fills the shell stands behind what only needs the shell.
                "SHELL TYPE" => needs.extend(by_name.get(&key("TYPE", schema, &entry.tag))),
                // A view in a circle is made empty, and gets its query later.
                "VIEW" => needs.extend(by_name.get(&key("RULE", schema, &format!("{} _RETURN", entry.tag)))),
                "SEQUENCE OWNED BY" => {
                    needs.extend(by_name.get(&key("SEQUENCE", schema, &entry.tag)).and_then(|at| owners.get(at)));
                }
                _ => {}
            }
        }
    }
}

type Key<'a> = (String, Option<&'a str>, String);

fn key<'a>(kind: &str, schema: Option<&'a str>, tag: &str) -> Key<'a> {
    (kind.to_owned(), schema, tag.to_owned())
}

fn name(entry: &Entry) -> Key<'_> {
    key(&entry.kind, entry.schema.as_deref(), &entry.tag)
}

/// What is not in the archive, such as rows, is no dependency.
fn depends(toc: &Toc) -> Vec<Vec<usize>> {
    let by_id: HashMap<_, _> = toc.entries.iter().enumerate().map(|(at, entry)| (entry.dump_id, at)).collect();
    let of = |entry: &Entry| {
        let mut depends: Vec<_> = entry.depends_on.iter().filter_map(|id| by_id.get(id).copied()).collect();
        let mut seen = HashSet::new();
        depends.retain(|at| seen.insert(*at));
        depends
    };
    toc.entries.iter().map(of).collect()
}

fn attached(toc: &Toc, depends: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (position, attach) in toc.entries.iter().enumerate().filter(|(_, entry)| entry.kind == "TABLE ATTACH") {
        let is_child = |at: &&usize| {
            let entry = &toc.entries[**at];
            entry.schema == attach.schema && entry.tag == attach.tag
        };
        let relations: Vec<_> =
            depends[position].iter().copied().filter(|at| is_relation(&toc.entries[*at].kind)).collect();
        if let Some(&child) = relations.iter().find(is_child) {
            found.extend(relations.iter().filter(|at| **at != child).map(|parent| (child, *parent)));
        }
    }
    found
}

fn owned(toc: &Toc, depends: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let sequences = toc.entries.iter().enumerate().filter(|(_, entry)| entry.kind == "SEQUENCE");
    let tables = |position: usize| depends[position].iter().filter(|at| is_relation(&toc.entries[**at].kind));
    sequences.flat_map(|(position, _)| tables(position).map(move |table| (position, *table))).collect()
}

/// The sequence of an identity column is made by altering its table.
fn is_free_sequence(entry: &Entry) -> bool {
    entry.kind == "SEQUENCE" && !entry.definition.trim_start().starts_with("ALTER TABLE")
}
