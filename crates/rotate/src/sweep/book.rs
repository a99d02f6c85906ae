//! The book of rotations: which are open, how far each has come, and which are over.

use jiff::Timestamp;
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal, rows};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::claim::{Claim, lost};
use super::counts::Counts;
use super::errand::Errand;
use super::options::Mode;
use super::part::{Part, Position};
use super::status::{Direction, Phase, TargetStatus};
use super::strays::{oids, with_more};
use super::target::{TableName, Target};

/// A rotation in the book.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: i64,
    schema_name: String,
    table_name: String,
    pub(super) columns: Vec<String>,
    /// The table's oid when it began.
    pub(super) relation: u32,
    pub(super) layout: String,
    /// The template; empty: none.
    pub(super) aad: String,
    pub(super) mode: Mode,
    pub(super) direction: Direction,
    pub(super) phase: Phase,
    pub(super) old_key: String,
    pub(super) new_key: String,
    /// The ids by which values name them. A fingerprint does not have it.
    pub(super) old_id: Option<String>,
    pub(super) new_id: Option<String>,
    pub(super) pass: u32,
    pub(super) rotated: u64,
    pub(super) unopened: u64,
    /// Those of them that are no plaintext, before the way back began. None: nobody had counted them by then.
    pub(super) broken: Option<u64>,
    /// Whether its tables had triggers at some time: these may have kept elsewhere what rows were.
    had_triggers: bool,
    accepted: u64,
    started: Timestamp,
    updated: Timestamp,
    in_pass: u64,
    seen: u64,
}

const ENTRY: &str = "SELECT id, schema_name, table_name, columns, relation::pg_catalog.int8 AS relation, layout, aad, mode, direction, phase, old_key, new_key, old_id, new_id, pass, \
                     rotated, unopened, broken, had_triggers, pg_catalog.jsonb_array_length(accepted) AS accepted, started, updated, \
                     (SELECT coalesce(pg_catalog.sum(p.rotated), 0)::pg_catalog.int8 FROM lifeboat_rotate.part p WHERE p.rotation = r.id) AS in_pass, \
                     (SELECT coalesce(pg_catalog.sum(p.seen), 0)::pg_catalog.int8 FROM lifeboat_rotate.part p WHERE p.rotation = r.id) AS seen \
                     FROM lifeboat_rotate.rotation r";

impl Entry {
    /// Values written so far.
    pub(super) fn written(&self) -> u64 {
        self.rotated + self.in_pass
    }

    /// Whether no value of the table is of its making, and none ever was. What it writes it notes in the same transaction.
    pub(super) fn is_unwritten(&self) -> bool {
        let is_in_place = self.mode != Mode::Staged || self.phase == Phase::Swept;
        self.direction == Direction::Forward && !(is_in_place && self.written() > 0)
    }

    pub(super) fn table(&self) -> TableName {
        TableName { schema: self.schema_name.clone(), name: self.table_name.clone() }
    }

    /// How many values the pass that is under way, or was the last, has written.
    pub(super) fn wrote_in_pass(&self) -> u64 {
        self.in_pass
    }

    pub(super) fn status(self) -> TargetStatus {
        TargetStatus {
            rotated: self.written(),
            table: self.table(),
            columns: self.columns,
            mode: self.mode,
            direction: self.direction,
            phase: self.phase,
            old_key: self.old_key,
            new_key: self.new_key,
            pass: self.pass,
            seen: self.seen,
            unopened: self.unopened,
            had_triggers: self.had_triggers,
            started: self.started,
            updated: self.updated,
            accepted: self.accepted,
        }
    }
}

/// The newest rotation of every column.
pub(super) async fn newest(session: &mut DirectSession) -> Result<Vec<Entry>> {
    let query = format!(
        "SELECT * FROM (SELECT DISTINCT ON (schema_name, table_name, columns) * FROM ({ENTRY}) AS e \
         ORDER BY schema_name, table_name, columns, id DESC) AS e ORDER BY id"
    );
    rows(session, &query).await
}

/// The open rotation of a target.
pub(super) async fn open_entry(session: &mut DirectSession, target: &Target) -> Result<Option<Entry>> {
    Ok(open_entries(session, &of(target)).await?.pop())
}

/// The open rotations of which a condition is true.
pub(super) async fn open_entries(session: &mut DirectSession, condition: &str) -> Result<Vec<Entry>> {
    rows(session, &format!("{ENTRY} WHERE finished IS NULL AND {condition}")).await
}

/// The newest rotations of their columns, those aside that were rolled back, of which a condition is true. One that was taken back
/// leaves the one before it in force.
pub(super) async fn newest_entries(session: &mut DirectSession, condition: &str) -> Result<Vec<Entry>> {
    let newer = "SELECT FROM lifeboat_rotate.rotation n WHERE n.schema_name = r.schema_name AND n.table_name = r.table_name \
                 AND n.columns = r.columns AND n.id > r.id AND n.phase <> 'rolled_back'";
    let query = format!("{ENTRY} WHERE phase <> 'rolled_back' AND NOT EXISTS ({newer}) AND {condition} ORDER BY id");
    rows(session, &query).await
}

/// The newest rotation of a target, open or not.
pub(super) async fn last_entry(session: &mut DirectSession, target: &Target) -> Result<Option<Entry>> {
    Ok(rows(session, &format!("{ENTRY} WHERE {} ORDER BY id DESC LIMIT 1", of(target))).await?.pop())
}

/// Begins a rotation.
pub(super) async fn begin(session: &mut DirectSession, errand: &Errand<'_>, mode: Mode) -> Result<Entry> {
    let Errand { target, found, relations, old_key, new_key } = errand;
    let id = |id: &Option<String>| id.as_ref().map_or_else(|| "NULL".to_owned(), |id| quote_literal(id));
    // What a trigger kept elsewhere, no way back has taken from there.
    let before = format!(
        "EXISTS (SELECT FROM lifeboat_rotate.rotation r WHERE {} AND r.phase = 'rolled_back' AND r.had_triggers)",
        of(target)
    );
    session
        .execute(&format!(
            "INSERT INTO lifeboat_rotate.rotation (schema_name, table_name, columns, relation, relations, layout, aad, mode, direction, phase, \
             old_key, new_key, old_id, new_id, had_triggers) \
             VALUES ({}, {}, {}, {}, {}, {}, {}, '{}', 'forward', 'sweeping', {}, {}, {}, {}, {} OR {before})",
            quote_literal(&target.table.schema),
            quote_literal(&target.table.name),
            columns_of(target),
            found.oid(),
            oids(relations.iter().map(|swept| swept.oid)),
            quote_literal(&target.layout.to_string()),
            quote_literal(&target.aad.to_string()),
            mode.name(),
            quote_literal(old_key),
            quote_literal(new_key),
            id(&target.keys.old.id),
            id(&target.keys.new.id),
            relations.iter().any(|swept| swept.has_triggers),
        ))
        .await?;
    open_entry(session, target).await?.ok_or_else(|| Error::new(Kind::Failure, "find a rotation that was just begun"))
}

/// Notes how far a rotation has come.
pub(super) async fn set_phase(session: &mut DirectSession, id: i64, direction: Direction, phase: Phase) -> Result<()> {
    let finished = if matches!(phase, Phase::Finalized | Phase::RolledBack) {
        ", finished = pg_catalog.clock_timestamp()"
    } else {
        ""
    };
    session
        .execute(&format!(
            "UPDATE lifeboat_rotate.rotation SET direction = {}, phase = {}, updated = pg_catalog.clock_timestamp(){finished} WHERE id = {id}",
            named(&direction),
            named(&phase)
        ))
        .await
}

/// Writes something, and waits until it is on disk with all that was committed before.
pub(super) async fn settle(session: &mut DirectSession, id: i64) -> Result<()> {
    let touch = "UPDATE lifeboat_rotate.rotation SET updated = pg_catalog.clock_timestamp() WHERE id =";
    session.execute(&format!("{touch} {id}")).await
}

/// Turns a rotation round: what it wrote from here on is the way back.
pub(super) async fn turn_back(session: &mut DirectSession, id: i64) -> Result<()> {
    session
        .execute(&format!(
            "BEGIN; DELETE FROM lifeboat_rotate.part WHERE rotation = {id}; UPDATE lifeboat_rotate.rotation SET \
             direction = 'back', phase = 'sweeping', pass = 1, rotated = 0, updated = pg_catalog.clock_timestamp() WHERE id = {id}; COMMIT"
        ))
        .await
}

/// Notes what one transaction has written.
pub(super) async fn set_rotated(session: &mut DirectSession, id: i64, rotated: u64, counts: &Counts) -> Result<()> {
    set_unopened(session, id, counts).await?;
    session
        .execute(&format!(
            "UPDATE lifeboat_rotate.rotation SET rotated = {rotated} WHERE id = {id}; \
             DELETE FROM lifeboat_rotate.part WHERE rotation = {id}"
        ))
        .await
}

/// Notes which rows the operator has given up: a JSON array.
pub(super) async fn set_accepted(session: &mut DirectSession, id: i64, accepted: &str) -> Result<()> {
    let accepted = quote_literal(accepted);
    session.execute(&format!("UPDATE lifeboat_rotate.rotation SET accepted = {accepted} WHERE id = {id}")).await
}

/// Drops what only an open rotation needs: old values, prepared ones, checkpoints.
pub(super) async fn drop_values(session: &mut DirectSession, id: i64) -> Result<()> {
    let shadow = super::sql::shadow(id);
    let delete = format!("DROP TABLE IF EXISTS {shadow}; DELETE FROM lifeboat_rotate.part WHERE rotation = {id}");
    session.execute(&delete).await
}

/// Notes how many values did not open in a whole pass, in either direction; on the way forward, how many of them are no plaintext.
pub(super) async fn set_unopened(session: &mut DirectSession, id: i64, counts: &Counts) -> Result<()> {
    let unopened = counts.unopened();
    let broken = counts.broken();
    session
        .execute(&format!(
            "UPDATE lifeboat_rotate.rotation SET unopened = {unopened}, \
             broken = CASE direction WHEN 'forward' THEN {broken} ELSE broken END WHERE id = {id}"
        ))
        .await
}

/// The parts of the pass that is under way.
pub(super) async fn parts(session: &mut DirectSession, id: i64) -> Result<Vec<BookedPart>> {
    let query = format!(
        "SELECT number, relation::pg_catalog.int8 AS relation, filenode, position FROM lifeboat_rotate.part \
         WHERE rotation = {id} ORDER BY number"
    );
    rows(session, &query).await
}

/// A part as it stands in the book; nothing is left of one without a position.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BookedPart {
    pub(super) number: i32,
    pub(super) relation: u32,
    pub(super) filenode: u32,
    position: Option<String>,
}

impl BookedPart {
    /// How far it has come.
    pub(super) fn position(&self) -> Result<Option<Position>> {
        let read = |text: &String| {
            serde_json::from_str(text).map_err(|error| Error::new(Kind::Failure, "read a checkpoint").caused_by(error))
        };
        self.position.as_ref().map(read).transpose()
    }
}

/// Where one part stands. Parts go with the pass that they are of: one that is not there is another run's doing.
pub(super) async fn position(session: &mut DirectSession, claim: Claim, number: i32) -> Result<Option<Position>> {
    let found = parts(session, claim.rotation).await?.into_iter().find(|part| part.number == number);
    found.ok_or_else(lost)?.position()
}

/// Writes the parts of a pass down.
pub(super) async fn begin_pass(session: &mut DirectSession, id: i64, pass: u32, parts: &[Part]) -> Result<()> {
    let mut rows = Vec::new();
    for part in parts {
        rows.push(format!(
            "({id}, {}, {}, {}, {})",
            part.number,
            part.swept.oid,
            part.swept.filenode,
            quote_literal(&part.position.text()?)
        ));
    }
    let insert = if rows.is_empty() {
        String::new()
    } else {
        format!(
            "INSERT INTO lifeboat_rotate.part (rotation, number, relation, filenode, position) VALUES {};",
            rows.join(", ")
        )
    };
    let mut relations: Vec<_> = parts.iter().map(|part| part.swept.oid).collect();
    relations.dedup();
    let relations = with_more(relations.into_iter());
    let has_triggers = parts.iter().any(|part| part.swept.has_triggers);
    // What the pass before has written is added up before its parts go.
    session
        .execute(&format!(
            "BEGIN; UPDATE lifeboat_rotate.rotation SET pass = {pass}, relations = {relations}, had_triggers = had_triggers OR {has_triggers}, updated = pg_catalog.clock_timestamp(), rotated = rotated + \
             (SELECT coalesce(pg_catalog.sum(rotated), 0) FROM lifeboat_rotate.part WHERE rotation = {id}) WHERE id = {id}; \
             DELETE FROM lifeboat_rotate.part WHERE rotation = {id}; {insert} COMMIT"
        ))
        .await
}

fn of(target: &Target) -> String {
    format!(
        "schema_name = {} AND table_name = {} AND columns = {}",
        quote_literal(&target.table.schema),
        quote_literal(&target.table.name),
        columns_of(target)
    )
}

/// The columns of a target's values, as an array of the server's.
pub(super) fn columns_of(target: &Target) -> String {
    let columns: Vec<_> = target.value_columns().iter().map(|name| quote_literal(name)).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", columns.join(", "))
}

/// A word of the book as a literal.
fn named(word: &impl serde::Serialize) -> String {
    let text = serde_json::to_value(word).ok().and_then(|value| value.as_str().map(quote_literal));
    text.unwrap_or_else(|| "NULL".to_owned())
}
