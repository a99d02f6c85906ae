//! What would not be sealed anew, told before anything is.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use super::super::ends_all;
use super::super::failures::Failed;
use super::super::folder::{Folder, Owner};
use super::{Found, ReencryptKeys, ReencryptPlan};

impl ReencryptPlan {
    /// Takes out what would be refused as the manifests tell: who is to apply the plan should know before.
    pub(super) async fn refuse(
        &mut self,
        position: usize,
        store: &Store,
        keys: &ReencryptKeys,
        found: &Found,
        job: &Job,
    ) -> Result<()> {
        let mut refused = BTreeSet::new();
        for rewrite in self.rewrite.iter().filter(|rewrite| rewrite.store == position) {
            let folder = Folder { store, owner: Owner::Backup(rewrite.backup.clone()), objects: BTreeMap::new() };
            match Box::pin(folder.manifest(job)).await {
                Ok(stored) => {
                    let Err(error) = keys.judge(&stored, &rewrite.backup.to_string()) else { continue };
                    self.refused.add(Failed::of(&folder, &error));
                    refused.insert(rewrite.backup.clone());
                }
                Err(error) if ends_all(&error) => return Err(error),
                // Told when it is sealed anew, which reads all of it.
                Err(_) => {}
            }
        }
        for id in refused.iter().flat_map(|path| &found[path].lost) {
            self.lost_wraps.entry(id.clone()).and_modify(|count| *count -= 1);
        }
        self.lost_wraps.retain(|_, count| *count > 0);
        self.rewrite.retain(|rewrite| rewrite.store != position || !refused.contains(&rewrite.backup));
        Ok(())
    }
}
