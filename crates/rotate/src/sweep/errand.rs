//! A target with its keys and what the catalog says of it: what is asked before anything is written.

use std::sync::Arc;

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident};
use lifeboat_core::{Error, Job, Kind, Result};

use super::batch::{Batch, reading};
use super::catalog::{self, Found, Swept, Use};
use super::judge::judge;
use super::lane::Lane;
use super::leader::Leader;
use super::options::SweepOptions;
use super::plan::Sampled;
use super::sql::{self, Span};
use super::status::Direction;
use super::target::{TableName, Target};
use super::work::{Aim, Work};
use crate::Keyring;
use crate::columns::Unopened;
use crate::columns::derivation::Doubt;

/// A target, ready to be swept.
pub(super) struct Errand<'t> {
    pub(super) target: &'t Target,
    pub(super) found: Found,
    pub(super) relations: Vec<Arc<Swept>>,
    /// Fingerprints.
    pub(super) old_key: String,
    pub(super) new_key: String,
}

impl<'t> Errand<'t> {
    /// Looks one target up. Its keys are tried on each other and on nothing else.
    pub(super) async fn find(session: &mut DirectSession, target: &'t Target, options: &SweepOptions) -> Result<Self> {
        let keyring = target.keyring().map_err(|error| error.while_doing(format!("take the keys of {target}")))?;
        let new_key = keyring.primary().fingerprint().to_owned();
        let old_key = target.keys.old.derive()?.fingerprint().to_owned();
        expected(&new_key, options, target)?;
        probe(&keyring, target)?;
        let found = catalog::find(session, target, options).await?;
        let relations = found.relations.iter().cloned().map(Arc::new).collect();
        Ok(Self { target, found, relations, old_key, new_key })
    }

    /// The keyring of the way forward, or back.
    pub(super) fn keyring(&self, direction: Direction) -> Result<Keyring> {
        match direction {
            Direction::Forward => self.target.keyring(),
            Direction::Back => self.target.keyring_back(),
        }
    }

    /// Refuses what would end in half a rotation.
    pub(super) fn refuse(&self, r#use: Use) -> Result<()> {
        let refusals = catalog::refusals(&self.found, self.target, r#use);
        if refusals.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("rotate {}", self.target)).hint(refusals.join("; ")))
    }

    /// Tries both keys on some of the values of every table; where none opens, on more of them: the first ones may be plaintext.
    pub(super) async fn sample(
        &self,
        session: DirectSession,
        options: &SweepOptions,
        job: &Job,
    ) -> Result<(Sampled, DirectSession)> {
        let keyring = self.target.keyring()?;
        let slow = keyring.layout().has_salt();
        let (limit, rounds) = if slow { (FEW, FEW_ROUNDS) } else { (MANY, ROUNDS) };
        let work = Work::new(session.settings(), self.target, keyring, Aim::Try, options, job);
        let mut lane = Lane::with(session);
        let mut sampled = Sampled::default();
        for round in 0..=rounds {
            for swept in &self.relations {
                let batch = match round {
                    0 => some_rows(&mut lane, swept, limit).await?,
                    _ => rows_by_chance(&mut lane, swept, limit).await?,
                };
                sampled.rows += batch.len() as u64;
                sampled.counts.merge(&judge(&work, swept, batch).await?.counts);
                if round == 0 && sampled.rows >= MANY {
                    break;
                }
            }
            if sampled.counts.opened() > 0 || sampled.counts.unopened() == 0 {
                break;
            }
        }
        Ok((sampled, lane.session))
    }

    /// Refuses keys that open nothing of a sample in which there was something.
    pub(super) fn refuse_wrong_keys(&self, sampled: &Sampled) -> Result<()> {
        let counts = &sampled.counts;
        if counts.opened() > 0 || counts.unopened() == 0 {
            return Ok(());
        }
        let outcomes: Vec<_> =
            counts.named().iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
        let doing = format!("open a value of {} by the key {} or {}", self.target, self.old_key, self.new_key);
        let why = Error::new(Kind::WrongKey, format!("of {} rows: {}", sampled.rows, outcomes.join(", ")));
        let doubt = self.target.keys.old.doubt().filter(Doubt::is_of_copying);
        let doubt = doubt.map(|doubt| format!(" (its secret {})", doubt.what())).unwrap_or_default();
        Err(Error::new(Kind::WrongKey, doing)
            .hint(format!("nothing was written: look at the old key{doubt}, how it is made of its secret (--key-format), the layout and the AAD"))
            .caused_by(why))
    }

    /// What is doubtful about an old key that opened none of a sample. One that did is as the application's was.
    pub(super) fn doubtful_old_key(&self, sampled: &Sampled) -> Option<String> {
        let doubt = self.target.keys.old.doubt().filter(Doubt::is_of_copying)?;
        let (target, key) = (self.target, &self.old_key);
        (sampled.counts.rotated == 0).then(|| {
            format!(
                "the old key {key} opens none of {} rows of {target}, and its secret {}",
                sampled.rows,
                doubt.what()
            )
        })
    }

    /// Why the new values do not fit: the id of the new key is longer than the old one's.
    pub(super) async fn too_narrow(&self, session: &mut DirectSession) -> Result<Option<String>> {
        let length = |id: &Option<String>| id.as_ref().map_or(0, |id| id.chars().count());
        let keys = &self.target.keys;
        let more = length(&keys.new.id).saturating_sub(length(&keys.old.id));
        if more == 0 || !self.target.layout.has_key_id() {
            return Ok(None);
        }
        for swept in &self.relations {
            let columns = self.found.facts.iter().filter(|fact| fact.oid == swept.oid).flat_map(|fact| &fact.columns);
            for column in columns.filter(|column| swept.values.iter().any(|value| value.name == column.name)) {
                let Some(width) = column.width else { continue };
                let longest = longest(session, swept, &column.name).await?;
                if longest + more > width as usize {
                    return Ok(Some(format!(
                        "{} of {} takes {width} characters, its longest value has {longest}, and the new key's id is longer by {more}: widen the column, or choose a shorter id",
                        column.name, swept.name
                    )));
                }
            }
        }
        Ok(None)
    }

    /// A table of the target in which a row holds more than NULL and the empty text.
    pub(super) async fn holds_something(&self, leader: &mut Leader) -> Result<Option<&TableName>> {
        for swept in &self.relations {
            if leader.alive().await?.text(&sql::any_value(swept)).await?.is_some() {
                return Ok(Some(&swept.name));
            }
        }
        Ok(None)
    }

    pub(super) fn estimated_rows(&self) -> u64 {
        self.relations.iter().map(|swept| swept.rows).sum()
    }
}

/// Every target, none of which stands in another's way.
pub(super) async fn errands<'t>(
    session: &mut DirectSession,
    targets: &'t [Target],
    options: &SweepOptions,
) -> Result<Vec<Errand<'t>>> {
    let mut errands: Vec<Errand<'t>> = Vec::new();
    if targets.is_empty() {
        return Err(Error::new(Kind::Usage, "rotate no column at all").hint("name a table and a column"));
    }
    for target in targets {
        if errands.iter().any(|other| shares_a_column(other.target, target)) {
            return Err(Error::new(Kind::Usage, format!("rotate {target} twice"))
                .hint("a column has one layout and one pair of keys"));
        }
        errands.push(Errand::find(session, target, options).await?);
    }
    Ok(errands)
}

/// Whatever their layouts: of a column there is one rotation at a time, for members of one JSON document too.
fn shares_a_column(one: &Target, other: &Target) -> bool {
    one.table == other.table && one.value_columns() == other.value_columns()
}

fn expected(new_key: &str, options: &SweepOptions, target: &Target) -> Result<()> {
    if options.expected_new.is_empty() || options.expected_new.iter().any(|expected| expected == new_key) {
        return Ok(());
    }
    let doing = format!("rotate {target} to the key {new_key}: {} was confirmed", options.expected_new.join(", "));
    Err(Error::new(Kind::WrongKey, doing)
        .hint("nothing was written: give the new key that was confirmed, or confirm this one"))
}

/// The new key encrypts something that it opens.
fn probe(keyring: &Keyring, target: &Target) -> Result<()> {
    let unfit = |why: Unopened| Error::new(Kind::Integrity, format!("try the new key of {target}")).caused_by(why);
    let sealed = keyring.encrypt(PROBE, b"")?;
    let opened = keyring.open(&sealed.parts(), b"").map_err(unfit)?;
    if opened.plaintext() == PROBE && opened.by_primary() { Ok(()) } else { Err(unfit(Unopened::FailedAuthentication)) }
}

/// Rows from all over a table; of a small one, and where chance finds none, the first ones.
async fn some_rows(lane: &mut Lane, swept: &Swept, limit: u64) -> Result<Batch> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
    let percent = (100.0 * f64::from(SAMPLED_BLOCKS) / f64::from(swept.blocks.max(1))) as f32;
    let mut found = Vec::new();
    for percent in [percent, 100.0].iter().filter(|percent| **percent <= 100.0) {
        found = lane.query(|| reading(swept), sql::read(swept, Span::Sample, None), &[percent, &rows]).await?;
        if !found.is_empty() {
            break;
        }
    }
    Ok(Batch::new(swept, found))
}

/// Rows of a few blocks anywhere in a table: about half of the limit, which would favour the first ones.
async fn rows_by_chance(lane: &mut Lane, swept: &Swept, limit: u64) -> Result<Batch> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
    let percent = (50.0 * limit as f64 / swept.rows.max(1) as f64).max(100.0 / f64::from(swept.blocks.max(1))) as f32;
    let found =
        lane.query(|| reading(swept), sql::read(swept, Span::Sample, None), &[&percent.min(100.0), &rows]).await?;
    Ok(Batch::new(swept, found))
}

async fn longest(session: &mut DirectSession, swept: &Swept, column: &str) -> Result<usize> {
    let query = format!(
        "SELECT pg_catalog.max(pg_catalog.char_length({})) FROM ONLY {}",
        quote_ident(column),
        sql::table(&swept.name)
    );
    Ok(session.text(&query).await?.and_then(|text| text.parse().ok()).unwrap_or_default())
}

/// Blocks that are looked at.
const SAMPLED_BLOCKS: u32 = 100;
const MANY: u64 = 500;
/// Values that each take the derivation of a key, or two.
const FEW: u64 = 16;
/// How often more of them are tried.
const ROUNDS: u32 = 20;
const FEW_ROUNDS: u32 = 4;
const PROBE: &[u8] = b"lifeboat";

/// The rotation's schema, or the reason why there can be none.
pub(super) async fn schema_refusal(session: &mut DirectSession) -> Result<Option<String>> {
    let there = session.text("SELECT pg_catalog.to_regclass('lifeboat_rotate.format') IS NOT NULL").await?;
    if there.as_deref() == Some("t") { Ok(None) } else { super::schema::refusal(session).await }
}
