//! The rotations that a run writes for, as long as nobody else has ended them or turned them round.
//!
//! The lock that admits one run goes with the leader's connection, and workers have connections of their own: whoever wrote on after
//! another run took over would put values under a key that is about to be destroyed. So the leader looks whenever it is about to go on, and
//! every batch asks in the statement by which it writes. Its part is locked by it, and taken away by whoever ends or turns a rotation.

use lifeboat_backup::postgres::{DirectSession, Session as _};
use lifeboat_core::{Error, Kind, Result};

use super::status::Direction;

/// A rotation in the book, and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) rotation: i64,
    pub(super) direction: Direction,
}

impl Claim {
    /// The condition that a row of `lifeboat_rotate.rotation`, called `r`, is this, and open.
    pub(super) fn condition(self) -> String {
        let direction = match self.direction {
            Direction::Forward => "forward",
            Direction::Back => "back",
        };
        format!("r.id = {} AND r.finished IS NULL AND r.direction = '{direction}'", self.rotation)
    }
}

/// Refuses to go on when another run has ended one of them, or turned it round. Asks the server in any case.
pub(super) async fn refuse_lost(session: &mut DirectSession, claims: &[Claim]) -> Result<()> {
    if claims.is_empty() {
        return session.execute("").await;
    }
    let conditions: Vec<_> = claims.iter().map(|claim| format!("({})", claim.condition())).collect();
    let query = format!(
        "SELECT pg_catalog.count(*) = {} FROM lifeboat_rotate.rotation r WHERE {}",
        claims.len(),
        conditions.join(" OR ")
    );
    match session.text(&query).await?.as_deref() {
        Some("t") => Ok(()),
        _ => Err(lost()),
    }
}

/// What is not this run's any more.
pub(super) fn lost() -> Error {
    Error::new(Kind::Locked, "go on with a rotation that another run has taken over")
        .hint("this run lost its connection, and another one ended the rotation, turned it round or went on with it: `status` shows how it is; this one writes nothing more")
}
