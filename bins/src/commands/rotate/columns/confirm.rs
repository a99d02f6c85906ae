//! Before the first write: the new key works, and will be found again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _};

use lifeboat_core::{Error, Kind, Result, ResultExt as _};
use lifeboat_rotate::columns::derivation::Doubt;
use lifeboat_rotate::sweep::{Phase, Target, status};

use super::place::{Place, Scene};

/// Encrypts with every new key, stores it nowhere, and opens it again.
///
/// # Errors
/// [`Kind::Integrity`] when it does not open.
pub(super) fn probe(targets: &[Target]) -> Result<()> {
    for target in targets {
        let keyring = target.keyring_new()?;
        let stored = keyring.encrypt(PROBE, b"")?;
        let opened = keyring.open(&stored.parts(), b"");
        if !opened.is_ok_and(|opened| opened.plaintext() == PROBE) {
            return Err(Error::new(Kind::Integrity, format!("open what the new key of {target} encrypted")));
        }
    }
    Ok(())
}

/// On a terminal, asks whether the new keys are those that the operator means, and are kept. A rotation under way has asked
/// already. Elsewhere a reference counts: what it names is there again tomorrow. Gives the fingerprints that were confirmed.
///
/// # Errors
/// [`Kind::Policy`] when the answer is anything else.
pub(super) async fn ask(scene: &Scene<'_>) -> Result<BTreeSet<String>> {
    if scene.context.global.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(BTreeSet::new());
    }
    let (mut all, mut asked) = (BTreeSet::new(), BTreeMap::new());
    for place in &scene.places {
        let begun = begun(scene, place).await;
        for target in &place.targets {
            let fingerprint = target.keys.new.derive()?.fingerprint().to_owned();
            all.insert(fingerprint.clone());
            let doubt = target.keys.new.doubt();
            // A spoilt one is refused whatever the answer.
            if !begun.contains(&fingerprint) && !matches!(doubt, Some(Doubt::Spoilt(_))) {
                asked.insert(fingerprint, doubt);
            }
        }
    }
    for (fingerprint, doubt) in &asked {
        confirm(scene, fingerprint, doubt.as_ref()).await?;
    }
    Ok(if asked.is_empty() { BTreeSet::new() } else { all })
}

/// The new keys of rotations that have begun.
async fn begun(scene: &Scene<'_>, place: &Place) -> BTreeSet<String> {
    let found = status(&place.settings, &scene.context.job()).await;
    let targets = found.map(|status| status.targets).unwrap_or_default();
    let open = targets.into_iter().filter(|target| !matches!(target.phase, Phase::Finalized | Phase::RolledBack));
    open.map(|target| target.new_key).collect()
}

async fn confirm(scene: &Scene<'_>, fingerprint: &str, doubt: Option<&Doubt>) -> Result<()> {
    let console = &scene.context.console;
    if let Some(doubt) = doubt {
        console.line(&format!(
            "The new key's secret {}. Does the application make its key of this very text?",
            doubt.what()
        ));
    }
    console
        .line(&format!("The new key has the fingerprint {fingerprint}. When it is lost, so is every value under it."));
    console.line(&format!("Is it kept in a second place? Type its last {DIGITS} digits to go on:"));
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answered = read.await.kind_of(Kind::Failure, || "read the answer".to_owned())?;
    let answer = answered.kind_of(Kind::Failure, || "read the answer".to_owned())?;
    if fingerprint.ends_with(answer.trim()) && answer.trim().len() >= DIGITS {
        return Ok(());
    }
    Err(Error::new(Kind::Policy, "begin a rotation: the new key was not confirmed; nothing was written")
        .hint(format!("keep the key in a second place, then answer, or give --confirm-new {fingerprint}")))
}

const PROBE: &[u8] = b"lifeboat";
const DIGITS: usize = 4;
