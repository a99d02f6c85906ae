//! `lifeboat drill verify-evidence`.

use std::fs;
use std::path::Path;

use lifeboat_core::codec::Sha256;
use lifeboat_core::drill::Verdict;
use lifeboat_core::keys::{KeyKind, SignerKey};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::MANIFEST;
use lifeboat_core::{DrillId, Error, Job, Kind, Name, Result, ResultExt};
use lifeboat_drill::evidence::{Evidence, verify};
use lifeboat_drill::record::{read_evidence, read_report_bytes};
use serde_json::json;

use super::find;
use crate::cli::EvidenceArgs;
use crate::commands::Context;
use crate::config::Config;
use crate::output::Outcome;
use crate::output::table::facts;

/// What the evidence was compared with, beside the signature.
#[derive(Default)]
struct Compared {
    lines: Vec<String>,
}

/// Verifies the evidence of a drill; the verdict in it is the exit code.
///
/// # Errors
/// [`Kind::Integrity`] when it is not what a trusted signer signed, or the report or the manifest is another one; [`Kind::Policy`]
/// when nobody who is trusted signed it; [`Kind::Config`] when nobody is trusted.
pub(super) async fn run(args: &EvidenceArgs, context: &Context) -> Result<Outcome> {
    let path = Path::new(&args.evidence);
    if path.is_file() {
        let config = context.config(context.global.reading())?;
        let trusted = trusted(args, &config, context).await?;
        let evidence = verify(&read(path)?, &trusted)?;
        let mut compared = Compared::default();
        compared.with_file(args.manifest.as_deref(), &evidence)?;
        return Ok(told(&evidence, &compared));
    }
    let (config, store) = context.reading().await?;
    let trusted = trusted(args, &config, context).await?;
    let place = find(&args.evidence, &config, &store, context).await.map_err(|error| neither(path, error))?;
    let keys = config.encryption.open_keys(args.open.allowed(), &context.environment).await?;
    let (store, job) = (store.at_first_contact(), context.job());
    let envelope = read_evidence(&place.0, &place.1, &store, &keys, &job).await?;
    let evidence = verify(&envelope, &trusted)?;
    let mut compared = Compared::default();
    compared.with_place(&place, &evidence)?;
    let report = read_report_bytes(&place.0, &place.1, &store, &keys, &job).await?;
    compared.with_report(&report, &evidence)?;
    match args.manifest.as_deref() {
        Some(path) => compared.with_file(Some(path), &evidence)?,
        None => compared.with_store(&store, &job, &evidence).await?,
    }
    Ok(told(&evidence, &compared))
}

/// Who is believed: the configured signers, those of the keyring, and those of the command line.
async fn trusted(args: &EvidenceArgs, config: &Config, context: &Context) -> Result<Vec<SignerKey>> {
    let named = args.signers.iter().map(|text| {
        text.parse::<SignerKey>().map_err(|error| Error::new(Kind::Usage, "read --signer").caused_by(error))
    });
    let mut trusted = named.collect::<Result<Vec<_>>>()?;
    trusted.extend(config.encryption.trusted_signers().iter().cloned());
    if let Some(keyring) = config.encryption.keyring(&context.environment).await? {
        let signers = keyring.keys().iter().filter(|key| key.kind() == KeyKind::Ed25519);
        trusted.extend(signers.filter_map(|key| key.signer_key().cloned()));
    }
    if trusted.is_empty() {
        return Err(Error::new(Kind::Config, "find out whose evidence to believe: no signer is configured").hint(
            "give --signer ed25519:…, which `lifeboat key signer` prints where the drill ran, or set trusted_signers",
        ));
    }
    Ok(trusted)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).kind_of(Kind::Usage, || format!("read {}", path.display()))
}

/// What is neither a file nor the name of a drill.
fn neither(path: &Path, error: Error) -> Error {
    if error.kind() != Kind::Usage || path.exists() {
        return error;
    }
    let hint = error.help().unwrap_or_default().to_owned();
    Error::new(Kind::Usage, format!("find {:?}: there is no such file", path.display().to_string()))
        .caused_by(error)
        .hint(hint)
}

impl Compared {
    /// Evidence that lies in another drill's folder proves nothing about that one.
    fn with_place(&mut self, (database, drill): &(Name, DrillId), evidence: &Evidence) -> Result<()> {
        let said = &evidence.statement.predicate;
        if (&said.database, &said.drill) == (database, drill) {
            return Ok(());
        }
        let doing = format!("trust the evidence: it is of {}/{}, and lies elsewhere", said.database, said.drill);
        Err(Error::new(Kind::Integrity, doing).hint(REPLACED))
    }

    fn with_report(&mut self, report: &[u8], evidence: &Evidence) -> Result<()> {
        let signed = &evidence.statement.predicate.report.digest.sha256;
        self.equal("the report", report, signed)
    }

    fn with_file(&mut self, manifest: Option<&Path>, evidence: &Evidence) -> Result<()> {
        let Some(path) = manifest else {
            self.lines
                .push("the signature alone was verified: --manifest compares the backup's manifest too".to_owned());
            return Ok(());
        };
        self.equal(&path.display().to_string(), &read(path)?, evidence.statement.manifest_sha256())
    }

    async fn with_store(&mut self, store: &Store, job: &Job, evidence: &Evidence) -> Result<()> {
        let name = evidence.statement.backup().object(MANIFEST);
        match store.get(job, &name).await {
            Ok(bytes) => self.equal("the backup's manifest in the store", &bytes, evidence.statement.manifest_sha256()),
            Err(error) if error.kind() == Kind::NotFound => {
                self.lines.push("the backup is not in the store any more".to_owned());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn equal(&mut self, what: &str, bytes: &[u8], signed: &str) -> Result<()> {
        if Sha256::of(bytes).to_string() != signed {
            return Err(Error::new(
                Kind::Integrity,
                format!("compare {what} with the evidence: it is not the one it was signed for"),
            )
            .hint(REPLACED));
        }
        self.lines.push(format!("{what} is the one that was signed for"));
        Ok(())
    }
}

fn told(evidence: &Evidence, compared: &Compared) -> Outcome {
    let said = &evidence.statement.predicate;
    let mut text = facts(&[
        ("signed by", evidence.signer.to_string()),
        ("drill", format!("{}/{}", said.database, said.drill)),
        ("on", said.host.clone()),
        ("backup", evidence.statement.backup().to_string()),
        ("manifest", evidence.statement.manifest_sha256().to_owned()),
        ("verdict", said.verdict.name().to_owned()),
    ]);
    for line in &compared.lines {
        text += &format!("{line}\n");
    }
    if said.verdict != Verdict::Passed {
        text += &format!("The evidence is genuine, and says that the drill did not pass: {}.\n", said.verdict.name());
    }
    let json = json!({"signer": evidence.signer, "statement": evidence.statement, "compared": compared.lines});
    Outcome { text, json, exit: said.verdict.into() }
}

const REPLACED: &str = "somebody replaced it since, or another one was given: count on neither, find out who may write to the store, and drill the \
                        backup again";
