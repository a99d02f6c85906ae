//! `lifeboat rotate backups retire`.

use lifeboat_core::keys::KeyId;
use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::backups::{RetireOptions, RetirePlan, apply_retire, plan_retire};
use serde_json::json;

use super::Scene;
use super::keys::{self, Keys};
use super::text::{NO_REMEDY, backups};
use crate::cli::RetireArgs;
use crate::config::Allowed;
use crate::output::Outcome;

/// Prints the plan, and with `--yes` applies it.
///
/// # Errors
/// [`Policy`](lifeboat_core::Kind::Policy) when a backup would not open any more, or the key is or was lately in use.
pub(super) async fn run(scene: &Scene<'_>, args: &RetireArgs) -> Result<Outcome> {
    let allowed = Allowed { unencrypted: false, retired: args.allow_retired, unsigned: args.allow_unsigned };
    let keys = Keys::load(scene, allowed, Some(&args.from)).await?;
    let from = keys.from.clone().ok_or_else(|| Error::new(Kind::Usage, "find out which key goes"))?;
    let to = args.to.as_deref().map(|to| keys.to(Some(to))).transpose()?.map(|to| to.id().clone());
    if to.as_ref() == Some(&from) {
        return Err(Error::new(Kind::Usage, format!("retire {from} in favour of {from}: --from and --to are one key")));
    }
    let entry = keys.keyring.key(from.as_str()).ok();
    let options = RetireOptions {
        to,
        force: args.force,
        rotate: scene.options(),
        ..RetireOptions::new(from.clone(), entry, keys.sealing())
    };
    let monitor = scene.context.monitor.clone();
    let plan = plan_retire(&scene.stores, &keys.open, &options, monitor.clone()).await?;
    if let Err(refused) = plan.check() {
        tell_refusals(scene, &plan);
        return Err(refused);
    }
    let mut told = plan_text(&plan, &from);
    if plan.is_empty() {
        let nothing = keys::nothing_under(scene, &from).await?;
        // What was asked for is so already, as after a retire that was interrupted at its very end.
        if !args.yes {
            return Err(nothing);
        }
        told += &format!("{nothing}: {}\n", nothing.help().unwrap_or_default());
    }
    if !args.yes {
        let json = json!({"applied": false, "from": from, "plan": plan});
        return Ok(scene.ended(
            told + if plan.delete.is_empty() {
                "Nothing was changed.\n"
            } else {
                "Nothing was changed: --yes deletes them.\n"
            },
            json,
            true,
            &plan.refused,
        ));
    }
    let summary = apply_retire(&scene.stores, &plan, &options, monitor).await?;
    let mut text = told + &format!("deleted {} of {}\n", wraps(summary.deleted), from);
    if summary.failed.count > 0 {
        let (count, keep) = (summary.failed.count, if summary.failed.count == 1 { "keeps its" } else { "keep theirs" });
        text += &format!("{} {keep}\n", backups(count));
    }
    let json = json!({"applied": true, "from": from, "plan": plan, "summary": summary});
    let footer = if summary.deleted > 0 { NO_REMEDY } else { "" };
    Ok(scene.ended(text + footer, json, summary.deleted + summary.gone > 0, &summary.failed))
}

fn tell_refusals(scene: &Scene<'_>, plan: &RetirePlan) {
    for refusal in &plan.refused.first {
        scene.tell("refused", refusal);
    }
}

fn plan_text(plan: &RetirePlan, from: &KeyId) -> String {
    let mut text = format!("retire {from} in {}\n", plan.stores.join(", "));
    let unproven = plan.delete.iter().filter(|retirement| !retirement.proven).count() as u64;
    let proven = plan.delete.len() as u64 - unproven;
    let each = if proven == 0 { "" } else { "; another wrap was proven to open each backup" };
    text += &format!("  {} to delete{each}\n", wraps(proven));
    if unproven > 0 {
        text += &format!("  {} to delete, trusting another wrap that no key at hand opens\n", wraps(unproven));
    }
    if plan.orphans > 0 {
        text += &format!("  {} under it in what never became a backup: left alone\n", wraps(plan.orphans));
    }
    text + "Stores that are not named here are not looked at: give --store once for each.\n"
}

fn wraps(count: u64) -> String {
    if count == 1 { "1 wrap".to_owned() } else { format!("{} wraps", crate::output::units::count(count)) }
}
