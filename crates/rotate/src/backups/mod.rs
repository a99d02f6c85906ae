//! The keys of backups: another key around the same data key ([`rewrap`]), no more of an old one ([`apply_retire`]), a new
//! data key ([`apply_reencrypt`]).
//!
//! Rewrap and retire add and delete `keys/<id>.json` and touch nothing else: no body, no manifest. What a run had to seal is
//! rotated with the backups. Rewrap is no remedy for a leaked key: whoever kept an old wrap and has the old key still has
//! the data key. Re-encryption, and the deletion of old versions in the bucket, is.
//!
//! Invariants: a wrap is written only around a data key that the manifest's MAC proved, and never over one that was there
//! when its folder was listed; two rewraps at once may each write theirs, and either opens to the same data key. Every step
//! may be the last one of a killed run: whatever lies in the store then, each backup opens, and the next run goes on from it.
//!
//! One run never deletes the last wrap of a backup, and two at once do not as long as they agree on what seals new backups:
//! what stays is under such a key, and nobody may retire that. Two whose keyrings differ, or who are forced, can each delete
//! the wrap that the other leaves; each looks again after it deleted and puts its own back, so that only two that are killed
//! in that moment, both, lose a backup. Two re-encryptions of one store on two hosts lose nothing and write everything twice.
//!
//! Memory does not grow with the number of backups, except for what plans hold: the names of what they would destroy.

mod each;
mod failures;
mod folder;
mod opening;
mod plan;
mod reencrypt;
mod retire;
mod rewrap;
mod status;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Job, Kind};
use tokio_util::sync::CancellationToken;

pub use failures::{Failed, Failures};
pub use folder::Owner;
pub use plan::{RewrapPlan, plan_rewrap};
pub use reencrypt::{
    Duplicate, ReencryptKeys, ReencryptOptions, ReencryptPlan, ReencryptSummary, Removal, RemovalSummary, Replacement,
    Rewrite, apply_reencrypt, plan_reencrypt, remove_replaced,
};
pub use retire::{RetireOptions, RetirePlan, RetireSummary, Retirement, apply_retire, plan_retire};
pub use rewrap::{RewrapOptions, RewrapSummary, rewrap};
pub use status::{KeyUse, StatusReport, status};
pub use verify::{VerifyReport, verify};

/// What every operation is given.
#[derive(Clone)]
pub struct RotateOptions {
    /// Backups worked on at once.
    pub at_once: usize,
    /// Ends the operation early.
    pub cancel: CancellationToken,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for RotateOptions {
    fn default() -> Self {
        Self { at_once: 16, cancel: CancellationToken::new(), clock: Arc::new(SystemClock) }
    }
}

impl RotateOptions {
    fn job(&self, monitor: Arc<dyn Monitor>) -> Job {
        Job::new(monitor, self.cancel.clone())
    }
}

/// How long what has no manifest counts as a backup under way, and a key that was primary as one in use.
pub const IN_FLIGHT: SignedDuration = SignedDuration::from_hours(48);

/// What ends the whole operation, and not only that of one backup.
fn ends_all(error: &Error) -> bool {
    matches!(error.kind(), Kind::Cancelled | Kind::TryAgain)
}
