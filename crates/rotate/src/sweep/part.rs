//! A part of a table, for one worker at a time, and how far it has come.

use std::sync::Arc;

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Kind, Result, ResultExt as _};
use serde::{Deserialize, Serialize};

use super::catalog::Swept;
use super::options::Order;
use super::session::failed;
use super::sql;
use super::wire::Raw;

/// A part of a table.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) swept: Arc<Swept>,
    pub(super) position: Position,
}

/// What of a part is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// Blocks from here to before the other.
    Blocks {
        next: u32,
        /// Of the first block, from this line on.
        #[serde(default, skip_serializing_if = "is_none")]
        line: u16,
        end: u32,
    },
    /// Keys beyond this one, up to the other.
    Keys {
        /// The columns that these are of, and their types.
        #[serde(default)]
        by: Vec<String>,
        after: Option<Vec<String>>,
        until: Option<Vec<String>>,
    },
    /// All rows that are left when so many were taken, of what one transaction sees: never written down.
    Whole { taken: u64 },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_none(line: &u16) -> bool {
    *line == 0
}

impl Position {
    /// As it is written down.
    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).kind_of(Kind::Failure, || "write a checkpoint".to_owned())
    }

    /// Whether a sweep can go on from here: what is a place in the order of one key is none in that of another.
    pub(super) fn leads_on(&self, swept: &Swept) -> bool {
        match self {
            Self::Blocks { .. } => true,
            Self::Whole { .. } => false,
            Self::Keys { by, .. } => !by.is_empty() && *by == swept.key_order(),
        }
    }
}

/// Divides tables into so many parts each.
pub(super) async fn divide(session: &DirectSession, relations: &[Arc<Swept>], parts: usize) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    for swept in relations {
        let positions = match swept.order {
            Order::Place if swept.reads_ranges => by_blocks(swept.blocks, parts),
            Order::Place => vec![Position::Whole { taken: 0 }],
            Order::Key => by_keys(session, swept, parts).await?,
        };
        for position in positions {
            let number = i32::try_from(all.len()).unwrap_or(i32::MAX);
            all.push(Part { number, swept: swept.clone(), position });
        }
    }
    Ok(all)
}

fn by_blocks(blocks: u32, parts: usize) -> Vec<Position> {
    let parts = u32::try_from(parts).unwrap_or(1).clamp(1, blocks.div_ceil(SMALL).max(1));
    let edge = |n: u32| u32::try_from(u64::from(blocks) * u64::from(n) / u64::from(parts)).unwrap_or(blocks);
    // To where the table ends now: what is written meanwhile lies beyond, and is the next pass's.
    (0..parts).map(|n| Position::Blocks { next: edge(n), line: 0, end: edge(n + 1) }).collect()
}

/// Blocks that are not worth dividing.
const SMALL: u32 = 64;

async fn by_keys(session: &DirectSession, swept: &Swept, parts: usize) -> Result<Vec<Position>> {
    let mut edges: Vec<Vec<String>> = Vec::new();
    if parts > 1 && swept.blocks > SMALL {
        #[expect(clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
        let percent = (100.0 * f64::from(SAMPLED) / f64::from(swept.blocks)).min(100.0) as f32;
        let count = i64::try_from(parts).unwrap_or(1);
        let query = sql::quantiles(swept);
        let found = session.client().query(&query, &[&percent, &count]).await;
        let found = found.map_err(|error| failed(session, format!("divide {}", swept.name), error))?;
        // An edge that is no UTF-8 cannot be written down: the part before it goes on to the next.
        let text = |raw: &Raw<'_>| Some(str::from_utf8(raw.0).ok()?.to_owned());
        for row in &found {
            let edge: Vec<Raw<'_>> = row.try_get(0).kind_of(Kind::Failure, || format!("divide {}", swept.name))?;
            edges.extend(edge.iter().map(text).collect::<Option<Vec<_>>>());
        }
        edges.dedup();
    }
    let (by, mut after) = (swept.key_order(), None);
    let mut positions = Vec::new();
    for edge in edges {
        positions.push(Position::Keys { by: by.clone(), after: after.take(), until: Some(edge.clone()) });
        after = Some(edge);
    }
    positions.push(Position::Keys { by, after, until: None });
    Ok(positions)
}

/// Blocks that tell where the parts' edges are.
const SAMPLED: u32 = 400;
