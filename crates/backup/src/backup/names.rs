//! The names in the script as text: the script has them in the database's encoding, the index in UTF-8.

use std::collections::{BTreeSet, HashMap};

use lifeboat_core::index::{Relation, Sequence};
use lifeboat_core::{Error, Kind, Result};

use crate::indexed::IndexedScript;
use crate::leader::Leader;
use crate::script::SqlName;
use crate::stream::{CopiedRelation, Script, SetSequence};

/// Names of a script that are not ASCII, as text.
#[derive(Default)]
pub(super) struct Names {
    decoded: HashMap<Vec<u8>, String>,
    guessed: bool,
}

impl Names {
    /// A script that was indexed from its own output, with its names as text.
    pub(super) fn indexed(&self, script: Script) -> IndexedScript {
        IndexedScript {
            relations: script.relations.iter().map(|relation| self.relation(relation)).collect(),
            sequences: script.sequences.iter().map(|sequence| self.sequence(sequence)).collect(),
            objects: script.objects,
            ranges: script.ranges,
            large_objects: script.large_objects,
        }
    }

    /// Asks the server where the encoding is another than UTF-8. Whether bytes look like UTF-8 says nothing: in LATIN1
    /// `Ã©` does.
    pub(super) async fn read(script: &Script, leader: Option<&mut Leader>) -> Result<Self> {
        let foreign: Vec<_> = foreign(script).into_iter().collect();
        let texts = match leader {
            _ if foreign.is_empty() => Vec::new(),
            // Without a leader nobody can tell the encoding.
            None => return Ok(Self::guessed(&foreign)),
            Some(leader) if as_they_are(&leader.facts.encoding) => {
                foreign.iter().map(|name| utf8(name)).collect::<Result<_>>()?
            }
            Some(leader) => leader
                .decode(&foreign)
                .await
                .map_err(|error| error.while_doing("read the names of the dump's tables"))?,
        };
        let decoded = foreign.into_iter().map(<[u8]>::to_vec).zip(texts).collect();
        Ok(Self { decoded, guessed: false })
    }

    fn guessed(foreign: &[&[u8]]) -> Self {
        let guessed = foreign.iter().any(|name| std::str::from_utf8(name).is_err());
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        Self { decoded: foreign.iter().map(|name| (name.to_vec(), text(name))).collect(), guessed }
    }

    /// What the operator should know.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.guessed.then_some(
            "names are in an encoding that only the server knows: `lifeboat cat` into psql restores this backup, \
             `lifeboat restore` does not",
        )
    }

    pub(super) fn relation(&self, relation: &CopiedRelation) -> Relation {
        Relation {
            oid: None,
            schema: relation.schema.as_ref().map(|schema| self.text(schema)).unwrap_or_default(),
            name: self.text(&relation.name),
            kind: None,
            columns: relation.columns.iter().map(|column| self.text(column)).collect(),
            condition: None,
            fingerprint: relation.fingerprint,
        }
    }

    pub(super) fn sequence(&self, sequence: &SetSequence) -> Sequence {
        let schema = sequence.schema.as_ref().map(|schema| self.text(schema)).unwrap_or_default();
        Sequence { schema, name: self.text(&sequence.name), value: sequence.value, called: sequence.called }
    }

    fn text(&self, name: &SqlName) -> String {
        self.decoded.get(name.as_bytes()).cloned().unwrap_or_else(|| name.to_string())
    }
}

/// Every name that is not ASCII, once.
fn foreign(script: &Script) -> BTreeSet<&[u8]> {
    let relations = script.relations.iter();
    let of_relations = relations.flat_map(|r| r.schema.iter().chain([&r.name]).chain(&r.columns));
    let of_sequences = script.sequences.iter().flat_map(|s| s.schema.iter().chain([&s.name]));
    of_relations.chain(of_sequences).map(SqlName::as_bytes).filter(|name| !name.is_ascii()).collect()
}

/// `SQL_ASCII` has no encoding: the server hands its bytes over as they are.
fn as_they_are(encoding: &str) -> bool {
    matches!(encoding, "UTF8" | "SQL_ASCII")
}

fn utf8(name: &[u8]) -> Result<String> {
    String::from_utf8(name.to_vec()).map_err(|_| {
        let lossy = String::from_utf8_lossy(name);
        Error::new(Kind::Failure, format!("write the name {lossy} into the index: it is not UTF-8"))
    })
}
