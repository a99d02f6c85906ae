//! Restores a part inside one transaction: all of it is there at the end, or nothing.
//!
//! A database that is in use loses nothing when a run fails or is killed, and sees nothing of one that is under way.

use std::collections::HashSet;

use lifeboat_core::index::{Index, Sequence};
use lifeboat_core::{Error, Job, Kind, Result, counted};

use super::choose::described;
use super::copy::Rows;
use super::definition::{self, Definitions};
use super::kind::{is_part, is_remark};
use super::needs::Needs;
use super::part::Part;
use super::text::{SETTINGS, set_value};
use super::toc::Entry;
use super::{fit, order};
use crate::postgres::sqlstate::{LOCK_NOT_AVAILABLE, UNDEFINED_OBJECT};
use crate::postgres::{DirectSession, Session, quote_ident, quote_literal, rows, sqlstate_of};
use crate::restore::copy_in::qualified;

/// What the operator is told at the end.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// What was needed and there already.
    pub(super) used: Vec<String>,
    /// Tables and views that were made because something selected needs them.
    pub(super) without_rows: Vec<String>,
}

/// Restores a part over one session.
pub(super) struct Filler<'a> {
    pub(super) part: &'a Part,
    pub(super) rows: Rows<'a>,
    pub(super) session: &'a mut DirectSession,
    pub(super) job: &'a Job,
    pub(super) skip_owners: bool,
}

impl Filler<'_> {
    fn index(&self) -> &Index {
        &self.rows.archive.index
    }

    /// Restores the part, up to and with the commit.
    pub(super) async fn fill(mut self) -> Result<Filled> {
        self.session.execute(&SETTINGS.join("\n")).await.map_err(|error| error.while_doing("set up a session"))?;
        self.session.execute("BEGIN").await?;
        let filled = if self.part.data_only { self.rows_alone().await? } else { self.definitions_and_rows().await? };
        self.job.check()?;
        self.session.execute("COMMIT").await.map_err(|error| error.while_doing("commit what was restored"))?;
        self.analyze().await;
        Ok(filled)
    }

    async fn definitions_and_rows(&mut self) -> Result<Filled> {
        let mut maker = Maker {
            part: self.part,
            needs: Needs::of(&self.part.toc),
            definitions: Definitions::new(self.skip_owners),
            used: HashSet::new(),
            job: self.job,
        };
        let (before, after) = self.part.in_order();
        self.job.step("restore definitions");
        for position in before {
            maker.make(self.session, position).await?;
        }
        self.load(self.part.relations.iter().copied().collect(), true).await?;
        self.set_sequences(&maker.used).await?;
        self.job.step("restore indexes, constraints and what else stands on rows");
        for position in after {
            maker.make(self.session, position).await?;
        }
        Ok(maker.filled())
    }

    /// Tables are locked before it is known that they are empty, so that they stay so.
    async fn rows_alone(&mut self) -> Result<Filled> {
        let order = order::of(self.part, &self.rows.archive.index, self.session).await?;
        let order =
            order.map_err(|circle| Error::new(Kind::Policy, format!("load rows of {circle}, which form a circle")))?;
        self.session.execute(&format!("SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")).await?;
        for position in &order {
            let relation = &self.rows.archive.index.relations[*position];
            self.lock(&qualified(relation)).await?;
            if !fit::is_empty(relation, self.session).await? {
                let doing = format!("load rows of {}: it is not empty any more", qualified(relation));
                return Err(Error::new(Kind::Policy, doing));
            }
        }
        self.session.execute("SET LOCAL lock_timeout = 0; SET CONSTRAINTS ALL DEFERRED").await?;
        self.load(order, false).await?;
        self.set_sequences_of_others().await?;
        Ok(Filled::default())
    }

    /// Keeps writers out. Whoever wants to write waits behind us while we wait: not for long.
    async fn lock(&mut self, table: &str) -> Result<()> {
        let locked = self.session.execute(&format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")).await;
        locked.map_err(|error| match sqlstate_of(&error) {
            Some(LOCK_NOT_AVAILABLE) => Error::new(Kind::TryAgain, format!("keep writers out of {table}"))
                .hint("end the transaction that has written to it and is still open, or stop the application, and run again")
                .caused_by(error),
            _ => error.while_doing(format!("keep writers out of {table}")),
        })
    }

    async fn load(&mut self, relations: Vec<usize>, made_here: bool) -> Result<()> {
        let rows = self.part.rows(self.index());
        self.job.step(&format!("load {} of {}", counted(rows, "row"), counted(relations.len() as u64, "table")));
        for position in relations {
            let is_plain = self.index().relations[position].kind.as_deref() == Some("r");
            self.rows.load(self.session, position, made_here && is_plain).await?;
        }
        Ok(())
    }

    async fn set_sequences(&mut self, used: &HashSet<usize>) -> Result<()> {
        for (entry, position) in &self.part.sequences {
            let Some(entry) = entry.filter(|entry| !used.contains(entry)) else { continue };
            let name = definition::qualified(&self.part.toc.entries[entry]);
            self.set_sequence(&name, *position).await?;
        }
        Ok(())
    }

    async fn set_sequence(&mut self, name: &str, position: usize) -> Result<()> {
        let statement = set_value(&self.rows.archive.index, name, position);
        self.session.execute(&statement).await.map_err(|error| error.while_doing(format!("set the sequence {name}")))
    }

    /// Sets the sequences of a database that was there before, as far as it has them.
    async fn set_sequences_of_others(&mut self) -> Result<()> {
        let there: HashSet<(String, String)> =
            rows(self.session, SEQUENCES).await?.into_iter().map(|Named { schema, name }| (schema, name)).collect();
        for (_, position) in &self.part.sequences {
            let Sequence { schema, name, .. } = &self.rows.archive.index.sequences[*position];
            let quoted = format!("{}.{}", quote_ident(schema), quote_ident(name));
            if there.contains(&(schema.clone(), name.clone())) {
                self.set_sequence(&quoted, *position).await?;
            } else {
                self.job.warn(&format!("the sequence {quoted} is not there: its value was left out"));
            }
        }
        Ok(())
    }

    /// Plans are made from it; nothing is lost without it.
    async fn analyze(&mut self) {
        let tables: Vec<_> = self.part.relations.iter().map(|at| qualified(&self.index().relations[*at])).collect();
        if tables.is_empty() {
            return;
        }
        self.job.step("analyze");
        if let Err(error) = self.session.execute(&format!("ANALYZE {}", tables.join(", "))).await {
            self.job.warn(&format!("could not analyze the restored tables: {}", error.chain()));
        }
    }
}

/// Makes entries of the archive, but for what is there.
struct Maker<'a> {
    part: &'a Part,
    needs: Needs,
    definitions: Definitions,
    /// Entries that were there already.
    used: HashSet<usize>,
    job: &'a Job,
}

impl Maker<'_> {
    fn entry(&self, position: usize) -> &Entry {
        &self.part.toc.entries[position]
    }

    async fn make(&mut self, session: &mut DirectSession, position: usize) -> Result<()> {
        self.job.check()?;
        let doing = || format!("restore {}", described(&self.part.toc.entries[position]));
        let made = if self.is_about_used(position) {
            Ok(())
        } else if self.may_be_there(position) {
            self.make_unless_there(session, position).await
        } else {
            self.execute(session, position).await
        };
        made.map_err(|error| error.while_doing(doing()))
    }

    async fn execute(&mut self, session: &mut DirectSession, position: usize) -> Result<()> {
        let may_lack_role = self.skip_for_role(position);
        let statements = self.definitions.of(&self.part.toc.entries[position]);
        if may_lack_role {
            return self.unless(session, position, &statements.join("\n"), &[UNDEFINED_OBJECT]).await.map(drop);
        }
        for statement in statements {
            session.execute(&statement).await?;
        }
        Ok(())
    }

    /// Whether the entry names roles that may be missing, and owners are left out.
    fn skip_for_role(&self, position: usize) -> bool {
        self.definitions.skip_owners && matches!(self.entry(position).kind.as_str(), "POLICY" | "USER MAPPING")
    }

    /// Something only needed is used as it is there; so are schemas.
    fn may_be_there(&self, position: usize) -> bool {
        let entry = self.entry(position);
        let is_selected = |at: &usize| self.part.chosen.selected.contains(at);
        let of_selected = is_part(&entry.kind) && self.needs.direct(position).iter().any(is_selected);
        entry.kind == "SCHEMA" || !(is_selected(&position) || of_selected || is_remark(&entry.kind))
    }

    async fn make_unless_there(&mut self, session: &mut DirectSession, position: usize) -> Result<()> {
        if let Some(query) = existence(self.entry(position)) {
            if session.text(&query).await?.as_deref() == Some("t") {
                self.used.insert(position);
                return Ok(());
            }
            return self.execute(session, position).await;
        }
        let statements = self.definitions.of(&self.part.toc.entries[position]).join("\n");
        self.unless(session, position, &statements, &DUPLICATES).await
    }

    /// Runs statements, and undoes them when they fail for one of these reasons: then the entry counts as there.
    async fn unless(
        &mut self,
        session: &mut DirectSession,
        position: usize,
        statements: &str,
        reasons: &[&str],
    ) -> Result<()> {
        session.execute("SAVEPOINT lifeboat").await?;
        match session.execute(statements).await {
            Err(error) if sqlstate_of(&error).is_some_and(|state| reasons.contains(&state)) => {
                session.execute("ROLLBACK TO SAVEPOINT lifeboat; RELEASE SAVEPOINT lifeboat").await?;
                // Settings are undone too.
                self.definitions = Definitions::new(self.definitions.skip_owners);
                if reasons.contains(&UNDEFINED_OBJECT) {
                    self.job.warn(&format!("left out with the role it is for: {}", error.chain()));
                }
                self.used.insert(position);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => session.execute("RELEASE SAVEPOINT lifeboat").await,
        }
    }

    /// Whether the entry says something about, or is part of, what was there and stays as it is.
    fn is_about_used(&self, position: usize) -> bool {
        let entry = self.entry(position);
        let subjects = self.needs.depends(position);
        let is_used = |subject: &usize| self.used.contains(subject);
        if is_remark(&entry.kind) {
            return subjects.iter().any(is_used);
        }
        let of_selected = subjects.iter().any(|subject| self.part.chosen.selected.contains(subject));
        is_part(&entry.kind) && !of_selected && subjects.iter().any(is_used)
    }

    fn filled(&self) -> Filled {
        let mut used: Vec<_> = self.used.iter().copied().collect();
        used.sort_unstable();
        let is_object = |at: &usize| !is_part(&self.entry(*at).kind) && !is_remark(&self.entry(*at).kind);
        let is_made = |at: &usize| !self.used.contains(at);
        Filled {
            used: used.into_iter().filter(is_object).map(|at| described(self.entry(at))).collect(),
            without_rows: self.part.bare().filter(is_made).map(|at| described(self.entry(at))).collect(),
        }
    }
}

/// How to find out whether something is there whose statement does not say so.
fn existence(entry: &Entry) -> Option<String> {
    let (catalog, column) = match entry.kind.as_str() {
        "SCHEMA" => ("pg_namespace", "nspname"),
        "EXTENSION" => ("pg_extension", "extname"),
        "PROCEDURAL LANGUAGE" => ("pg_language", "lanname"),
        _ => return None,
    };
    let name = quote_literal(&entry.tag);
    Some(format!("SELECT EXISTS (SELECT FROM pg_catalog.{catalog} WHERE {column} = {name})"))
}

#[derive(serde::Deserialize)]
struct Named {
    schema: String,
    name: String,
}

const SEQUENCES: &str = "
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'";

/// An object, a table, a function, a schema of that name; a row of a catalog, where the server finds out no earlier.
const DUPLICATES: [&str; 5] = ["42710", "42P07", "42723", "42P06", "23505"];
const LOCK_TIMEOUT_MS: u32 = 10_000;
