//! `lifeboat rotate backups reencrypt`.

use std::sync::Arc;

use lifeboat_core::keys::{KeyEntry, KeyState, KeyWrap, SealKeys, SignerKey};
use lifeboat_core::store::UploadOptions;
use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::backups::{
    ReencryptKeys, ReencryptOptions, ReencryptPlan, ReencryptSummary, Removal, RemovalSummary, apply_reencrypt,
    plan_reencrypt, remove_replaced,
};
use serde_json::json;

use super::Scene;
use super::keys::Keys;
use super::run_lock::RunLock;
use super::text::{backups, failed as failed_text};
use crate::cli::ReencryptArgs;
use crate::output::{Outcome, units};

/// Prints the plan, and with `--yes` applies it: removes what earlier runs replaced, writes, and removes what that replaced.
///
/// # Errors
/// [`Usage`](lifeboat_core::Kind::Usage) when nothing says which backups; [`Policy`](lifeboat_core::Kind::Policy) when the new
/// ones would be under the same key.
pub(super) async fn run(scene: &Scene<'_>, args: &ReencryptArgs) -> Result<Outcome> {
    let keys = Keys::load(scene, args.open.allowed(), args.from.as_deref()).await?;
    let options = ReencryptOptions {
        from: keys.from.clone(),
        before: args.before,
        state_dir: scene.config.backup.state_dir.value.clone(),
        upload: UploadOptions {
            parts_in_flight: scene.config.backup.parts_in_flight.value.get() as usize,
            ..UploadOptions::default()
        },
        force: args.force,
        rotate: scene.options(),
    };
    let keys =
        ReencryptKeys { seal: seal_keys(&keys, args.to.as_deref())?, own_signers: own_signers(&keys), open: keys.open };
    let monitor = &scene.context.monitor;
    let _lock = if args.yes { Some(RunLock::take(&options.state_dir)?) } else { None };
    let plan = plan_reencrypt(&scene.stores, &keys, &options, monitor.clone()).await?;
    if let Some(warning) = keys.seal.single_wrap_warning().filter(|_| !plan.rewrite.is_empty()) {
        scene.context.job().warn(&warning);
    }
    plan.check(&options)?;
    let text = plan_text(&plan, args.keep, &scene.addresses());
    if !args.yes {
        let json = json!({"applied": false, "plan": plan});
        return Ok(scene.ended(
            text + "Nothing was changed: --yes does it.\n",
            json,
            true,
            &plan.failed.and(&plan.refused),
        ));
    }
    let mut removed = RemovalSummary::default();
    if !args.keep {
        removed = remove_replaced(&scene.stores, &plan, &[], &keys, &options, monitor.clone()).await?;
    }
    let written = apply_reencrypt(&scene.stores, &plan, &keys, &options, monitor.clone()).await?;
    if !args.keep && written.rewritten > 0 {
        // By a plan of its own: what the store says now, not what was meant to be written.
        let mut replaced = plan_reencrypt(&scene.stores, &keys, &options, monitor.clone()).await?;
        let proven = &written.proven;
        let written_now = |removal: &Removal| {
            proven.iter().any(|proven| (proven.store, &proven.old) == (removal.store, &removal.backup))
        };
        replaced.remove.retain(written_now);
        let second = remove_replaced(&scene.stores, &replaced, proven, &keys, &options, monitor.clone()).await?;
        removed = both(&removed, &second);
    }
    conclude(scene, args, &plan, &written, &removed, text)
}

/// What is configured to seal new backups; `to` takes the primary key's place.
fn seal_keys(keys: &Keys, to: Option<&str>) -> Result<SealKeys> {
    let configured = || keys.seal.clone();
    let Some(to) = to else {
        return configured().ok_or_else(|| {
            Error::new(Kind::Config, "find the key to seal with: the keyring has no primary aes256 key")
                .hint("give --to, or make one with `lifeboat key generate --primary`")
        });
    };
    let to = keys.to(Some(to))?;
    let recipients = configured().into_iter().flat_map(|seal| seal.wraps).filter(|key| key.id().is_of_public_key());
    let wraps: Vec<Arc<dyn KeyWrap>> = std::iter::once(to).chain(recipients).collect();
    SealKeys::new(wraps, configured().and_then(|seal| seal.signer))
}

/// Signers whose backups are signed anew where the configuration names none: a retired one may have leaked.
fn own_signers(keys: &Keys) -> Vec<SignerKey> {
    let held = keys.keyring.keys().iter().filter(|key| key.state() != KeyState::Retired);
    held.filter_map(KeyEntry::signer_key).cloned().collect()
}

fn both(first: &RemovalSummary, second: &RemovalSummary) -> RemovalSummary {
    RemovalSummary {
        removed: first.removed + second.removed,
        freed_bytes: first.freed_bytes + second.freed_bytes,
        failed: first.failed.and(&second.failed),
    }
}

fn conclude(
    scene: &Scene<'_>,
    args: &ReencryptArgs,
    plan: &ReencryptPlan,
    written: &ReencryptSummary,
    removed: &RemovalSummary,
    told: String,
) -> Result<Outcome> {
    let failed = written.failed.and(&removed.failed);
    let mut text = told;
    if written.rewritten > 0 {
        text += &format!(
            "sealed {} anew, {} stored; read back, each holds what the old one held\n",
            backups(written.rewritten),
            units::size(written.stored_bytes)
        );
    } else {
        text += "sealed no backup anew\n";
    }
    if written.rewritten + removed.removed == 0 {
        // Nothing more can be said of old ones.
    } else if args.keep {
        text += "the old ones were kept\n";
    } else {
        text += &format!("removed {}, {} freed\n", backups(removed.removed), units::size(removed.freed_bytes));
    }
    if failed.count > 0 {
        text += &failed_text(failed.count);
    }
    if written.rewritten + removed.removed > 0 {
        text += "Old versions that the bucket keeps are still there: delete them, or the leak is not undone.\n";
    }
    let json = json!({"applied": true, "plan": plan, "summary": written, "removed": removed});
    Ok(scene.ended(text, json, written.rewritten + removed.removed > 0, &failed))
}

fn plan_text(plan: &ReencryptPlan, keep: bool, stores: &[&str]) -> String {
    let bytes: u64 = plan.rewrite.iter().map(|rewrite| rewrite.stored_bytes).sum();
    let count = |length: usize| backups(length as u64);
    let mut text = format!("reencrypt in {}\n", stores.join(", "));
    text += &format!("  {} to seal anew, {}\n", count(plan.rewrite.len()), units::size(bytes));
    for rewrite in plan.rewrite.iter().take(NAMED) {
        let then = if keep { "" } else { ", then remove it" };
        text += &format!("    {}{then}\n", rewrite.backup);
    }
    if plan.rewrite.len() > NAMED {
        text += &format!("    and {} more\n", plan.rewrite.len() - NAMED);
    }
    if plan.refused.count > 0 {
        text += &format!("  {} would be refused, and stay as they are:\n", backups(plan.refused.count));
        for refused in plan.refused.first.iter().take(NAMED) {
            text += &format!("    {}\n", refused.error);
        }
    }
    if !plan.remove.is_empty() && !keep {
        text += &format!("  {} to remove, which an earlier run sealed anew\n", count(plan.remove.len()));
        for removal in plan.remove.iter().take(NAMED) {
            text += &format!("    {}, replaced by {}\n", removal.backup, removal.replaced_by);
        }
    }
    for (id, count) in &plan.lost_wraps {
        text += &format!("  {} opened with {id} so far: the new ones will not\n", backups(*count));
    }
    for duplicate in plan.duplicates.iter().take(NAMED) {
        let (one, other) = (&duplicate.backup, &duplicate.other);
        text += &format!("  {one} and {other} are one backup sealed anew twice: verify one, delete the other\n");
    }
    if plan.unencrypted > 0 {
        text += &format!("  {} not encrypted: --allow-unencrypted seals them too\n", units::count(plan.unencrypted));
    }
    text
}

const NAMED: usize = 20;
