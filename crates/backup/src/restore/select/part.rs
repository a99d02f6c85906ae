//! The part of a backup that a selection means: definitions, rows, values of sequences.

use std::collections::{BTreeSet, HashMap, HashSet};

use lifeboat_core::index::{Content, Extension, Index, Range, Role};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::SCHEMA;
use lifeboat_core::{Error, Job, Kind, Result, counted};

use super::choose::{Chosen, LeftOut, choose};
use super::name::{Selection, shown};
use super::needs::Needs;
use super::schema;
use super::toc::{Entry, Toc};
use crate::archive::Archive;
use crate::postgres::{DirectSession, quote_ident};
use crate::restore::extensions::TIMESCALEDB;

/// What of an archive is restored.
#[derive(Debug, Default)]
pub(in crate::restore) struct Part {
    /// Empty where only rows are restored, of all tables.
    pub(super) toc: Toc,
    pub(super) chosen: Chosen,
    /// Positions in the index's relations.
    pub(super) relations: BTreeSet<usize>,
    /// Positions in the index's sequences, by the position of their entry where there is one.
    pub(super) sequences: Vec<(Option<usize>, usize)>,
    /// Whether only rows are restored.
    pub(super) data_only: bool,
    pub(in crate::restore) left_out: Vec<LeftOut>,
}

impl Part {
    /// What `selection` means in this backup.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that selects nothing, [`Kind::Policy`] where the backup cannot be taken apart.
    pub(in crate::restore) async fn of(
        store: &Store,
        archive: &Archive,
        selection: &Selection,
        session: &mut DirectSession,
        job: &Job,
    ) -> Result<Self> {
        if !selection.names_any() {
            return Ok(Self::all_rows(&archive.index));
        }
        let bytes = schema::fetch(store, archive, job).await?;
        let toc = schema::read(&bytes, session).await?;
        let chosen = choose(&toc, selection)?;
        Self { toc, chosen, data_only: selection.data_only, ..Self::default() }.with_rows(&archive.index, selection)
    }

    /// The selected tables whose rows lie in chunks of TimescaleDB, which nobody can select with them.
    pub(in crate::restore) fn hypertables(&self, index: &Index) -> Vec<String> {
        if !index.extensions.iter().any(|extension| extension.name == TIMESCALEDB) {
            return Vec::new();
        }
        let is_chunk = |entry: &&Entry| entry.kind == "TABLE" && entry.schema.as_deref() == Some(CHUNKS);
        let above: HashSet<_> = self.toc.entries.iter().filter(is_chunk).flat_map(|chunk| &chunk.depends_on).collect();
        let is_above = |entry: &&Entry| above.contains(&entry.dump_id);
        let tables = self.tables().map(|table| self.entry(table)).filter(is_above);
        tables.map(|table| shown(table.schema.as_deref(), &table.tag)).collect()
    }

    fn all_rows(index: &Index) -> Self {
        Self {
            relations: (0..index.relations.len()).collect(),
            sequences: (0..index.sequences.len()).map(|position| (None, position)).collect(),
            data_only: true,
            left_out: large_objects(index).into_iter().collect(),
            ..Self::default()
        }
    }

    fn with_rows(mut self, index: &Index, selection: &Selection) -> Result<Self> {
        self.left_out = if self.data_only { Vec::new() } else { self.chosen.left_out.clone() };
        self.add_relations(index)?;
        self.add_sequences(index);
        if self.data_only && self.relations.is_empty() && self.sequences.is_empty() {
            return Err(Error::new(Kind::Usage, "select rows: nothing that is named has any"));
        }
        self.list_unreachable_rows(index, selection);
        self.left_out.extend(large_objects(index));
        Ok(self)
    }

    fn entry(&self, position: usize) -> &Entry {
        &self.toc.entries[position]
    }

    /// The positions of selected tables.
    fn tables(&self) -> impl Iterator<Item = usize> {
        self.chosen.selected.iter().copied().filter(|position| self.entry(*position).kind == "TABLE")
    }

    fn add_relations(&mut self, index: &Index) -> Result<()> {
        let by_oid: HashMap<_, _> =
            index.relations.iter().enumerate().filter_map(|(at, relation)| Some((relation.oid?, at))).collect();
        let found: BTreeSet<_> =
            self.tables().filter_map(|table| by_oid.get(&self.entry(table).oid)).copied().collect();
        let loaded_through_root = self.loaded_through_root(index, &by_oid);
        if !loaded_through_root.is_empty() {
            return Err(Error::new(Kind::Usage, format!("select {}", loaded_through_root.join("; "))));
        }
        self.relations = found;
        Ok(())
    }

    /// Partitions whose rows were dumped with those of a table that is not selected.
    fn loaded_through_root(&self, index: &Index, by_oid: &HashMap<u32, usize>) -> Vec<String> {
        let skipped: HashSet<_> = index.skipped.iter().map(|skipped| skipped.oid).collect();
        let parents: HashMap<_, _> = Needs::of(&self.toc).attached.into_iter().collect();
        let mut found = Vec::new();
        for table in self.tables().filter(|table| skipped.contains(&self.entry(*table).oid)) {
            let roots = std::iter::successors(parents.get(&table), |above| parents.get(above));
            let root = roots.copied().find(|above| by_oid.contains_key(&self.entry(*above).oid));
            if let Some(root) = root.filter(|root| !self.chosen.selected.contains(root)) {
                let name = |at: usize| shown(self.entry(at).schema.as_deref(), &self.entry(at).tag);
                found.push(format!("{0}: its rows are stored with those of {1}, select {1}", name(table), name(root)));
            }
        }
        found
    }

    fn add_sequences(&mut self, index: &Index) {
        let sequences = index.sequences.iter().enumerate();
        let by_name: HashMap<_, _> =
            sequences.map(|(at, sequence)| ((sequence.schema.as_str(), sequence.name.as_str()), at)).collect();
        let wanted = if self.data_only { &self.chosen.selected } else { &self.chosen.included };
        for position in wanted.iter().copied().filter(|position| self.toc.entries[*position].kind == "SEQUENCE") {
            let entry = &self.toc.entries[position];
            let name = (entry.schema.as_deref().unwrap_or_default(), entry.tag.as_str());
            self.sequences.extend(by_name.get(&name).map(|at| (Some(position), *at)));
        }
    }

    /// Rows of the selected schemas that no entry stands for, and selected tables without rows in the backup.
    fn list_unreachable_rows(&mut self, index: &Index, selection: &Selection) {
        let oids: HashSet<_> = self.toc.entries.iter().map(|entry| entry.oid).collect();
        let of_schema = |schema: &str| selection.schemas.iter().any(|name| name.0 == schema);
        let of_extensions = index
            .relations
            .iter()
            .filter(|relation| of_schema(&relation.schema) && relation.oid.is_some_and(|oid| !oids.contains(&oid)))
            .map(|relation| (&relation.schema, &relation.name, "the table belongs to an extension"));
        let tables: HashSet<_> = self.tables().map(|table| self.entry(table).oid).collect();
        let skipped = index
            .skipped
            .iter()
            .filter(|skipped| tables.contains(&skipped.oid) && skipped.reason.contains("unlogged"))
            .map(|skipped| (&skipped.schema, &skipped.name, skipped.reason.as_str()));
        let found = of_extensions.chain(skipped).map(|(schema, name, why)| LeftOut {
            what: format!("rows of {}", shown(Some(schema), name)),
            why: why.to_owned(),
            statement: String::new(),
        });
        let found: Vec<_> = found.collect();
        self.left_out.extend(found);
    }

    /// The ranges that hold the part's rows.
    pub(in crate::restore) fn ranges<'i>(&self, index: &'i Index) -> impl Iterator<Item = &'i Range> {
        index.ranges.iter().filter(|range| match &range.content {
            Content::Rows(rows) => self.relations.contains(&rows.relation),
            Content::Sql { .. } => false,
        })
    }

    /// How many rows.
    pub(in crate::restore) fn rows(&self, index: &Index) -> u64 {
        self.relations.iter().fold(0, |rows, at| index.relations[*at].fingerprint.rows.saturating_add(rows))
    }

    /// SQL bytes of the rows.
    pub(in crate::restore) fn sql_bytes(&self, index: &Index) -> u64 {
        self.ranges(index).map(|range| range.bytes.sql_bytes).sum()
    }

    /// Bytes that are fetched: the schema archive and the rows.
    pub(in crate::restore) fn fetched_bytes(&self, archive: &Archive) -> u64 {
        let schema = archive.manifest.attachment(SCHEMA).filter(|_| !self.toc.entries.is_empty());
        let rows = self.ranges(&archive.index).map(|range| range.bytes.length);
        rows.chain(schema.map(|object| object.length)).sum()
    }

    /// How many tables have rows to be loaded.
    pub(in crate::restore) fn tables_count(&self) -> usize {
        self.relations.len()
    }

    /// Most memory that the definitions take: once as they were stored, once in pieces, once as statements.
    pub(in crate::restore) fn memory_bytes(&self) -> u64 {
        let texts = |entry: &Entry| entry.definition.len() + entry.drop.len() + ENTRY_BYTES;
        3 * self.toc.entries.iter().map(texts).sum::<usize>() as u64
    }

    fn made(&self) -> impl Iterator<Item = &Entry> {
        let included = if self.data_only { None } else { Some(&self.chosen.included) };
        included.into_iter().flatten().map(|at| self.entry(*at))
    }

    /// Whether something that is made belongs to the role, or is about it.
    pub(in crate::restore) fn refers_to(&self, role: &Role) -> bool {
        let (bare, quoted) = (role.name.as_str(), quote_ident(&role.name));
        let is_about_roles =
            |entry: &Entry| matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL" | "POLICY" | "USER MAPPING");
        self.made().any(|entry| {
            entry.owner == bare && !entry.drop.is_empty()
                || is_about_roles(entry)
                    && (entry.owner == bare || entry.definition.contains(&quoted) || names(&entry.definition, bare))
        })
    }

    /// The roles that own what is made.
    pub(in crate::restore) fn owners(&self) -> impl Iterator<Item = &str> {
        let owned = self.made().filter(|entry| !entry.owner.is_empty() && !entry.drop.is_empty());
        owned.map(|entry| entry.owner.as_str())
    }

    /// Whether the extension is made.
    pub(in crate::restore) fn has_extension(&self, extension: &Extension) -> bool {
        self.made().any(|entry| entry.kind == "EXTENSION" && entry.tag == extension.name)
    }
}

/// The schema of TimescaleDB's chunks, unless somebody has said otherwise for a hypertable.
const CHUNKS: &str = "_timescaledb_internal";
/// What an entry takes beside its statements.
const ENTRY_BYTES: usize = 500;

/// Large objects belong to no table and no schema.
fn large_objects(index: &Index) -> Option<LeftOut> {
    (index.large_objects.count > 0).then(|| LeftOut {
        what: counted(index.large_objects.count, "large object"),
        why: "no table and no schema has them".to_owned(),
        statement: String::new(),
    })
}

/// Whether a statement has the name as a word.
fn names(statement: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    statement
        .match_indices(name)
        .any(|(at, _)| !statement[..at].ends_with(is_word) && !statement[at + name.len()..].starts_with(is_word))
}
