//! Loads all rows of a table by one COPY, inside the transaction of everything else.

use lifeboat_core::index::{Range, Relation};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, counted};

use crate::archive::Archive;
use crate::postgres::DirectSession;
use crate::restore::copy_in::{copy_statement, feed};

/// Where rows come from, and in which encoding.
pub(super) struct Rows<'a> {
    pub(super) store: &'a Store,
    pub(super) archive: &'a Archive,
    pub(super) encoding: String,
    pub(super) job: &'a Job,
}

impl Rows<'_> {
    /// Loads the rows of a relation, all of them in one statement: a row may refer to another of its table. COPY ends only
    /// when every byte is proven. `frozen` is for a table that this transaction has made.
    pub(super) async fn load(&self, session: &DirectSession, relation: usize, frozen: bool) -> Result<()> {
        let of_relation = |range: &&Range| range.relation() == Some(relation);
        let ranges: Vec<_> = self.archive.index.ranges.iter().filter(of_relation).collect();
        let relation = &self.archive.index.relations[relation];
        let expected = relation.fingerprint.rows;
        let doing = || format!("load {} of {}.{}", counted(expected, "row"), relation.schema, relation.name);
        let copied = self.send(session, relation, &ranges, frozen).await.map_err(|error| error.while_doing(doing()))?;
        if copied != expected {
            let counts = format!("the server took {copied} rows of {expected}");
            return Err(Error::new(Kind::Integrity, doing()).caused_by(counts));
        }
        self.job.count(Counter::Rows, copied);
        Ok(())
    }

    async fn send(&self, session: &DirectSession, relation: &Relation, ranges: &[&Range], frozen: bool) -> Result<u64> {
        let statement = copy_statement(relation, &self.encoding, frozen);
        let sink = session.client().copy_in(&statement).await.map_err(|error| session.failed("begin COPY", error))?;
        let mut sink = std::pin::pin!(sink);
        for range in ranges {
            let mut blocks = self.archive.read_range(self.store, self.job, range)?;
            let mut proof = self.archive.proof(range);
            while let Some(block) = blocks.next().await? {
                let mut block = &block[..];
                while !block.is_empty() {
                    feed(session, self.job, sink.as_mut(), proof.push(&mut block)?).await?;
                }
            }
            feed(session, self.job, sink.as_mut(), proof.finish()?).await?;
        }
        sink.finish().await.map_err(|error| session.failed("end COPY", error))
    }
}
