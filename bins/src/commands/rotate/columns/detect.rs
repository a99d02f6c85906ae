//! `lifeboat rotate columns detect`.

use lifeboat_core::{Error, Result};
use lifeboat_rotate::columns::{AadTemplate, KeyFormat};
use lifeboat_rotate::detect::{DetectOptions, Detection, Found, TrialKey, Unreached, detect};
use lifeboat_rotate::sweep::TableName;
use serde_json::json;

use super::place::{self, Place};
use super::{Told, keys};
use crate::cli::DetectArgs;
use crate::commands::Context;
use crate::config::{Config, Setting as _};
use crate::output::{Outcome, units};

/// Finds the columns that a key opens.
///
/// # Errors
/// [`Kind::Config`] without a key or a database; those of the library's function.
pub(super) async fn run(args: &DetectArgs, context: &Context) -> Result<Outcome> {
    let config = place::config(context, args.flags(&context.global), &args.place)?;
    let options = DetectOptions {
        tables: parsed::<TableName>(&args.tables)?,
        aads: parsed::<AadTemplate>(&args.aads)?,
        rows: args.rows.max(1),
        ..DetectOptions::default()
    };
    let databases = place::databases(&config)?;
    let mut told = Told::of(databases.len());
    for database in databases {
        let settings = place::settings(database, context).await?;
        let trial = trial_keys(&config, context).await?;
        let has_key = !trial.is_empty();
        let found = detect(&settings, trial, &options, &context.job()).await;
        let place = Place::bare(database, settings);
        let Some(found) = told.unless_failed(&place, found)? else { continue };
        let name = told.several.then(|| database.name.value.show());
        let toml = configuration(&found.found, name.as_deref());
        let text = text(&found, &toml, has_key);
        told.add(&place, text, json!({"detection": found, "configuration": toml}));
    }
    Ok(told.outcome())
}

fn parsed<T: std::str::FromStr<Err = Error>>(texts: &[String]) -> Result<Vec<T>> {
    texts.iter().map(|text| text.parse()).collect()
}

/// The old key, else the new one: whichever values are under today. Made in the way that is said, or in every way that fits. None is
/// needed to see what looks encrypted.
async fn trial_keys(config: &Config, context: &Context) -> Result<Vec<TrialKey>> {
    let common = &config.rotate.keys;
    let reference = common.old.as_ref().or(common.new.as_ref());
    if reference.is_none() {
        return Ok(Vec::new());
    }
    let secret = keys::secret(reference, "old", &context.environment).await?;
    let format: Option<&KeyFormat> =
        common.old_key_format.as_ref().or(common.key_format.as_ref()).map(|format| &format.value);
    match format {
        Some(format) => Ok(vec![TrialKey::new(&secret, format.clone())?]),
        None => TrialKey::all(&secret),
    }
}

fn text(found: &Detection, toml: &str, has_key: bool) -> String {
    let mut text = format!(
        "looked at {} of {} in {}\n",
        units::counted(found.rows, "row"),
        units::counted(found.columns, "column"),
        units::counted(found.tables, "table")
    );
    if !has_key {
        text += "no key was given: only looks were judged (--old env:NAME tries a key)\n";
    } else if found.found.is_empty() && found.unreached.is_empty() {
        text += "the key opens nothing there\n";
    }
    for column in &found.found {
        text += &described(column);
    }
    text += &out_of_reach(&found.unreached);
    if !found.suspects.is_empty() {
        text += if has_key {
            "\nThese look encrypted and did not open: another key, another AAD (--aad), or another algorithm\n"
        } else {
            "\nThese look encrypted:\n"
        };
    }
    for suspect in &found.suspects {
        text += &format!("  {}.{}.{}: {}\n", suspect.schema, suspect.table, suspect.column, suspect.why);
    }
    for copy in &found.copies {
        text += &format!("\n{copy} is a materialized view with copies: refresh it when its tables are rotated\n");
    }
    if !found.not_looked_at.is_empty() {
        text += "\nNot looked at:\n";
    }
    for left_out in &found.not_looked_at {
        text += &format!("  {}: {}\n", left_out.what, left_out.why);
    }
    if toml.is_empty() { text } else { format!("{text}\nFor the configuration:\n\n{toml}") }
}

fn out_of_reach(unreached: &[Unreached]) -> String {
    if unreached.is_empty() {
        return String::new();
    }
    let line = |one: &Unreached| {
        let values = units::counted(one.sampled as u64, "value");
        format!(
            "  {}.{}.{}: {} of {values} opened, key {}\n",
            one.schema, one.table, one.place, one.opened, one.fingerprint
        )
    };
    let lines: String = unreached.iter().map(line).collect();
    format!(
        "\nThe key opens these as well, and no rotation reaches these: they lie in arrays, or in columns of other types than text, \
         bytea and JSON. The application has to rotate them before the old key goes\n{lines}"
    )
}

fn described(found: &Found) -> String {
    let columns = found.columns.join("+");
    let aad = if found.aad == AadTemplate::default() { "no AAD".to_owned() } else { format!("AAD {}", found.aad) };
    let mut text = format!(
        "  {}.{}.{columns}: {} of {} opened, {}, IV of {} bytes, {aad}, key format {}, key {}\n",
        found.schema,
        found.table,
        found.opened,
        units::counted(found.sampled as u64, "value"),
        found.layout,
        found.iv_bytes,
        found.key_format,
        found.fingerprint
    );
    for other in &found.others {
        text += &format!(
            "    {} more opened as {}: a rotation knows one layout of a column, these stay as they are\n",
            other.opened, other.layout
        );
    }
    if !found.sharing.is_empty() {
        let others = found.sharing.join(", ");
        text += &format!(
            "    {others} opens with the IV of this one as well: Lifeboat rotates neither, for the first would take it from the other. Let the application write each with an IV of its own\n"
        );
    }
    if let Some(column) = &found.key_id_column {
        text += &format!(
            "    {column} beside it may name the key: then it is part of the layout, as columns{{…, {column}: kid}}, unless it names that of another column too\n"
        );
    }
    if found.key_format == KeyFormat::Hex {
        text += "    hex-or-sha256 opens these as well: what the application makes of a key of another form, its source says\n";
    }
    if found.key_format == KeyFormat::Sha256 {
        text += "    hex-or-sha256 is the same unless a key has 64 hexadecimal digits: which of both the application does, its source says\n";
    }
    text
}

/// What `[[rotate.column]]` says of what was found.
fn configuration(found: &[Found], database: Option<&str>) -> String {
    let one = |found: &Found| {
        let table = TableName { schema: found.schema.clone(), name: found.table.clone() };
        let mut toml = "[[rotate.column]]\n".to_owned();
        if let Some(database) = database {
            toml += &format!("database = {database}\n");
        }
        toml += &format!("table = {}\n", table.show());
        if let [column] = found.columns.as_slice() {
            toml += &format!("column = {}\n", column.show());
        }
        toml += &format!("layout = {}\n", found.layout.show());
        toml += &format!("key_format = {}\n", found.key_format.show());
        if found.aad != AadTemplate::default() {
            toml += &format!("aad = {}\n", found.aad.show());
        }
        toml
    };
    let alone = found.iter().filter(|found| found.sharing.is_empty());
    alone.map(one).collect::<Vec<_>>().join("\n")
}
