//! Signed evidence of a drill: an in-toto statement in a DSSE envelope, which stock tools verify.
//!
//! Invariants: the signature covers the envelope's pre-authentication encoding, which begins with `DSSEv1` and so is never the
//! bytes of a manifest; what a statement says is believed only after a trusted key verified it, and no earlier than that parsed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jiff::Timestamp;
use lifeboat_core::codec::Sha256;
use lifeboat_core::drill::{Proven, Verdict};
use lifeboat_core::keys::{KeyId, Signature, Signer, SignerKey};
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_core::{BackupId, DrillId, Error, Kind, Name, Result, ResultExt, RunId};
use serde::{Deserialize, Serialize};

use crate::report::{DrillReport, NotProven};

/// What kind of statement it is: the `--type` that cosign is told.
pub const PREDICATE_TYPE: &str = "urn:lifeboat:drill:v1";

/// A DSSE envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EnvelopeSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// An in-toto statement, version 1, about a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// What it is about: the backup's manifest, and so every byte of the backup.
    pub subject: Vec<Subject>,
    /// Which predicate follows.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What the drill found out.
    pub predicate: Predicate,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The object's name in the store.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// A digest as in-toto spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

/// What a drill found out, as far as it is told to others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// Version of the archive format.
    pub format: u32,
    /// What ran.
    pub tool: String,
    /// The machine it ran on.
    pub host: String,
    /// The drill.
    pub drill: DrillId,
    /// Groups the drills of one run.
    pub run: RunId,
    /// The database, as the store names it.
    pub database: Name,
    /// Class of the backup.
    pub class: Name,
    /// The backup.
    pub backup: BackupId,
    /// The moment whose state the backup holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Timestamp>,
    /// When the drill began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// What was found out.
    pub verdict: Verdict,
    /// How much of the rows was compared with their fingerprints.
    pub rows_proven: Proven,
    /// Seconds until the database could be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_seconds: Option<f64>,
    /// What the configuration allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_target_seconds: Option<f64>,
    /// Seconds from the snapshot to the drill's begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_seconds: Option<f64>,
    /// What the configuration allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_target_seconds: Option<f64>,
    /// Every check that ran, and how it ended.
    pub checks: Vec<CheckOutcome>,
    /// What was proven, a sentence each.
    pub proven: Vec<String>,
    /// What was not, and why.
    pub not_proven: Vec<NotProven>,
    /// The whole report.
    pub report: ReportDigest,
}

/// A check, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Verdict,
}

/// The digest of `report.json`, before it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDigest {
    /// Its digest.
    pub digest: Digest,
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Who signed it.
    pub signer: KeyId,
    /// What was signed.
    pub statement: Statement,
}

/// The envelope with what `report` says, signed; `report_json` are the report's bytes as they are stored. `None` when no backup
/// was found: there is nothing to make a statement about.
pub fn sign(report: &DrillReport, report_json: &[u8], signer: &Signer) -> Option<Result<Vec<u8>>> {
    let statement = statement(report, report_json)?;
    Some(envelope(&statement, signer))
}

fn envelope(statement: &Statement, signer: &Signer) -> Result<Vec<u8>> {
    let writing = || "write the evidence of a drill".to_owned();
    let payload = serde_json::to_vec(statement).kind_of(Kind::Failure, writing)?;
    let signature = signer.sign(&pae(PAYLOAD_TYPE, &payload));
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(&payload),
        signatures: vec![EnvelopeSignature {
            keyid: signature.signer.to_string(),
            sig: STANDARD.encode(signature.bytes),
        }],
    };
    serde_json::to_vec(&envelope).kind_of(Kind::Failure, writing)
}

fn statement(report: &DrillReport, report_json: &[u8]) -> Option<Statement> {
    let backup = report.backup.as_ref()?;
    let path = BackupPath { class: backup.class.clone(), database: report.database.clone(), id: backup.id.clone() };
    let manifest = Digest { sha256: backup.manifest_sha256.clone() };
    let checks = report.checks.iter();
    Some(Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Subject { name: path.object(MANIFEST), digest: manifest }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            format: report.format,
            tool: report.tool.clone(),
            host: report.host.clone(),
            drill: report.drill.clone(),
            run: report.run.clone(),
            database: path.database,
            class: path.class,
            backup: path.id,
            snapshot: backup.snapshot,
            started: report.started,
            finished: report.finished,
            verdict: report.verdict,
            rows_proven: report.rows_proven,
            rto_seconds: report.rto.seconds,
            rto_target_seconds: report.rto.target_seconds,
            rpo_seconds: report.rpo.as_ref().map(|rpo| rpo.seconds),
            rpo_target_seconds: report.rpo.as_ref().and_then(|rpo| rpo.target_seconds),
            checks: checks.map(|check| CheckOutcome { name: check.name.clone(), outcome: check.outcome }).collect(),
            proven: report.proven.clone(),
            not_proven: report.not_proven.clone(),
            report: ReportDigest { digest: Digest { sha256: Sha256::of(report_json).to_string() } },
        },
    })
}

/// Verifies an envelope: that one of the trusted keys signed it, and that it is a statement about one drill.
///
/// # Errors
/// [`Kind::Integrity`] when it is no envelope, or a trusted key did not sign these bytes; [`Kind::Policy`] when nobody who is trusted
/// signed it; [`Kind::Config`] for a statement of a kind that this release does not read.
pub fn verify(envelope: &[u8], trusted: &[SignerKey]) -> Result<Evidence> {
    let envelope: Envelope = serde_json::from_slice(envelope)
        .kind_of(Kind::Integrity, || "read the evidence: it is no DSSE envelope".into())
        .map_err(|error| error.hint("`lifeboat drill show DRILL --form evidence` prints one"))?;
    let payload = decoded(&envelope.payload)?;
    let signer = signer(&envelope, &pae(&envelope.payload_type, &payload), trusted)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Error::new(
            Kind::Config,
            format!("read the evidence: {:?} is no statement", envelope.payload_type),
        ));
    }
    Ok(Evidence { signer, statement: read(&payload)? })
}

/// The key that signed: its id in the envelope is a hint that nobody signed, so every trusted key is tried.
fn signer(envelope: &Envelope, signed: &[u8], trusted: &[SignerKey]) -> Result<KeyId> {
    for found in &envelope.signatures {
        let Ok(bytes) = <[u8; 64]>::try_from(decoded(&found.sig)?) else { continue };
        let verifies = |key: &&SignerKey| key.verifies(signed, &Signature { signer: key.id().clone(), bytes });
        if let Some(key) = trusted.iter().find(verifies) {
            return Ok(key.id().clone());
        }
    }
    let named: Vec<&str> = envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
    if trusted.iter().any(|key| named.contains(&key.id().as_str())) {
        return Err(Error::new(
            Kind::Integrity,
            format!("verify the evidence: {} did not sign this", named.join(", ")),
        )
        .hint(CHANGED));
    }
    let by =
        if named.is_empty() { "nobody signed it".to_owned() } else { format!("{} is not trusted", named.join(", ")) };
    Err(Error::new(Kind::Policy, format!("verify the evidence: {by}"))
        .hint("trusted_signers in [encryption] says who is; --signer ed25519:… names another"))
}

fn read(payload: &[u8]) -> Result<Statement> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "_type")]
        kind: String,
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }
    let reading = || "read the statement".to_owned();
    let head: Head = serde_json::from_slice(payload).kind_of(Kind::Integrity, reading)?;
    if (head.kind.as_str(), head.predicate_type.as_str()) != (STATEMENT_TYPE, PREDICATE_TYPE) {
        let doing = format!("read a {} about {}: it is not the statement of a drill", head.kind, head.predicate_type);
        return Err(Error::new(Kind::Config, doing).hint("use the release of lifeboat that made it, or a later one"));
    }
    let statement: Statement = serde_json::from_slice(payload).kind_of(Kind::Integrity, reading)?;
    statement.agrees().then_some(statement).ok_or_else(|| {
        Error::new(Kind::Integrity, "trust the statement: what it is about is not the backup that it names")
            .hint(CHANGED)
    })
}

impl Statement {
    /// The backup it is about.
    #[must_use]
    pub fn backup(&self) -> BackupPath {
        let Predicate { class, database, backup, .. } = &self.predicate;
        BackupPath { class: class.clone(), database: database.clone(), id: backup.clone() }
    }

    /// SHA-256 of the backup's manifest.
    #[must_use]
    pub fn manifest_sha256(&self) -> &str {
        self.subject.first().map_or("", |subject| &subject.digest.sha256)
    }

    fn agrees(&self) -> bool {
        matches!(self.subject.as_slice(), [only] if only.name == self.backup().object(MANIFEST))
    }
}

/// What DSSE signs: type and payload with their lengths, so that neither can run into the other.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The standard allows either alphabet.
fn decoded(text: &str) -> Result<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .kind_of(Kind::Integrity, || "read the evidence: it is not base64".into())
}

const CHANGED: &str = "it was changed after it was signed: believe none of it, find out who may write to where it lay, and drill the backup again";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

#[cfg(test)]
mod tests;
