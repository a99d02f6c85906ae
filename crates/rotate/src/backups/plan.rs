//! What a rewrap would do, as the names of the wraps tell.

use std::sync::Arc;

use lifeboat_core::keys::{KeyId, OpenKeys};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Kind, Result};
use serde::Serialize;

use super::RewrapOptions;
use super::each::{each, ready};
use super::failures::Failures;
use super::folder::{Folder, State};

/// What a rewrap would do. It is made from listings alone: no wrap was opened, and nothing is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RewrapPlan {
    /// Backups, the details of runs among them, that would get a wrap.
    pub rewrap: u64,
    /// Those that have one.
    pub already: u64,
    /// Those without a wrap under the key they were to be opened with.
    pub passed_over: u64,
    /// Backups that are not encrypted.
    pub unencrypted: u64,
    /// What was begun and is not, or not yet, a backup.
    pub unfinished: u64,
    /// Those that none of our keys opens.
    pub closed: Failures,
}

/// Says what a rewrap to the key called `to` would do.
///
/// # Errors
/// Those of the store's listing.
pub async fn plan_rewrap(
    stores: &[Store],
    keys: &OpenKeys,
    to: &KeyId,
    options: &RewrapOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RewrapPlan> {
    let job = options.rotate.job(monitor);
    let (mut plan, mut closed) = (RewrapPlan::default(), Failures::default());
    let from = options.from.as_ref();
    let count = |planned| plan.count(&planned);
    each(stores, &job, 1, &mut closed, |folder| ready(one(&folder, keys, to, from), folder), count).await?;
    plan.closed = closed;
    Ok(plan)
}

enum Planned {
    Rewrap,
    Already,
    PassedOver,
    Not(State),
}

fn one(folder: &Folder<'_>, keys: &OpenKeys, to: &KeyId, from: Option<&KeyId>) -> Result<Planned> {
    let wraps = folder.wraps();
    let opens = |id: &KeyId| from.is_none_or(|from| from == id) && wraps.contains(id);
    match folder.state() {
        State::Sealed if wraps.contains(to) => Ok(Planned::Already),
        State::Sealed if from.is_some_and(|from| !wraps.contains(from)) => Ok(Planned::PassedOver),
        State::Sealed if keys.keys.iter().any(|key| opens(key.id())) => Ok(Planned::Rewrap),
        State::Sealed => {
            let ids: Vec<_> = wraps.iter().map(KeyId::as_str).collect();
            let openers = if ids.is_empty() { "no wrap is left".to_owned() } else { ids.join(", ") };
            Err(Error::new(Kind::WrongKey, format!("find a key that opens {}: {openers}", folder.owner)))
        }
        other => Ok(Planned::Not(other)),
    }
}

impl RewrapPlan {
    fn count(&mut self, planned: &Planned) {
        let counter = match planned {
            Planned::Rewrap => &mut self.rewrap,
            Planned::Already => &mut self.already,
            Planned::PassedOver => &mut self.passed_over,
            Planned::Not(State::Unencrypted) => &mut self.unencrypted,
            Planned::Not(_) => &mut self.unfinished,
        };
        *counter += 1;
    }
}
