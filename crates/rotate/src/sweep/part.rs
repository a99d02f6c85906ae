//! A part of a table, for one worker at a time, and how far it has come.

use std::sync::Arc;

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Kind, Result, ResultExt as _};
use serde::{Deserialize, Serialize};

use super::catalog::Swept;
use super::options::Order;
use super::session::failed;
use super::sql;

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
    Blocks { next: u32, end: u32 },
    /// Keys beyond this one, up to the other.
    Keys { after: Option<Vec<String>>, until: Option<Vec<String>> },
}

impl Position {
    /// As it is written down.
    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).kind_of(Kind::Failure, || "write a checkpoint".to_owned())
    }
}

/// Divides tables into so many parts each.
pub(super) async fn divide(session: &DirectSession, relations: &[Arc<Swept>], parts: usize) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    for swept in relations {
        let positions = match swept.order {
            Order::Place => by_blocks(swept.blocks, parts),
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
    (0..parts).map(|n| Position::Blocks { next: edge(n), end: edge(n + 1) }).collect()
}

/// Blocks that are not worth dividing.
const SMALL: u32 = 64;

async fn by_keys(session: &DirectSession, swept: &Swept, parts: usize) -> Result<Vec<Position>> {
    let mut edges = Vec::new();
    if parts > 1 && swept.blocks > SMALL {
        #[expect(clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
        let percent = (100.0 * f64::from(SAMPLED) / f64::from(swept.blocks)).min(100.0) as f32;
        let count = i64::try_from(parts).unwrap_or(1);
        let query = sql::quantiles(swept);
        let found = session.client().query(&query, &[&percent, &count]).await;
        let found = found.map_err(|error| failed(session, format!("divide {}", swept.name), error))?;
        edges = found
            .iter()
            .map(|row| row.try_get::<_, Vec<String>>(0))
            .collect::<Result<Vec<_>, _>>()
            .kind_of(Kind::Failure, || format!("divide {}", swept.name))?;
        edges.dedup();
    }
    let mut after = None;
    let mut positions = Vec::new();
    for edge in edges {
        positions.push(Position::Keys { after: after.take(), until: Some(edge.clone()) });
        after = Some(edge);
    }
    positions.push(Position::Keys { after, until: None });
    Ok(positions)
}

/// Blocks that tell where the parts' edges are.
const SAMPLED: u32 = 400;
