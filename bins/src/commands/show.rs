//! `lifeboat show`.

use lifeboat_backup::archive::{Shown, show};
use lifeboat_core::Result;
use lifeboat_core::index::Relation;
use serde_json::json;

use super::{Context, Named};
use crate::cli::ShowArgs;
use crate::output::table::{Align, facts, render};
use crate::output::{Outcome, units};

/// Shows manifest and index of a backup.
///
/// # Errors
/// Those of finding and opening it.
pub(super) async fn run(args: &ShowArgs, context: &Context) -> Result<Outcome> {
    let Named { reference, store, keys } = context.backup(&args.backup, args.open).await?;
    let shown = show(&store, &keys, &reference, context.cancel.clone(), context.monitor.clone()).await?;
    Ok(Outcome::success(text(&shown), json!(shown)))
}

fn text(shown: &Shown) -> String {
    [head(shown), objects(shown), tables(shown), skipped(shown), warnings(shown)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

fn head(Shown { manifest, index }: &Shown) -> Option<String> {
    let mut lines = vec![
        ("backup", format!("{}/{}", manifest.database, manifest.id)),
        ("class", manifest.class.to_string()),
        ("snapshot", manifest.snapshot.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("written by", format!("{}, {}", manifest.tool, index.tools.pg_dump)),
    ];
    if let Some(source) = &index.source {
        lines.push(("server", format!("PostgreSQL {}, database {}", source.server_version, source.database)));
        lines.push(("encoding", format!("{}, {} {}", source.encoding, source.locale_provider, source.collate)));
    }
    if let Some(imported) = &manifest.imported {
        let forms = imported.forms.join(" over ");
        lines.push(("imported", format!("{} ({forms}), sha256 {}", imported.file, imported.sha256)));
    }
    if let Some(version) = index.dumped_from.as_ref().and_then(|from| from.server_version.as_ref()) {
        lines.push(("server", format!("PostgreSQL {version}, as the dump says")));
    }
    lines.push((
        "rows",
        format!("{} in {}", units::count(index.rows()), units::counted(index.relations.len() as u64, "table")),
    ));
    lines.push((
        "size",
        format!("{} of SQL, {} stored", units::size(index.script_bytes), units::size(manifest.stored_bytes())),
    ));
    let roles: Vec<_> = index.roles.iter().map(|role| role.name.as_str()).collect();
    lines.push(("roles", roles.join(", ")));
    lines.retain(|(_, value)| !value.is_empty());
    Some(facts(&lines))
}

fn objects(Shown { manifest, .. }: &Shown) -> Option<String> {
    let rows: Vec<_> = manifest.objects().map(|object| vec![object.name.clone(), units::size(object.length)]).collect();
    Some(render(&[("OBJECT", Align::Left), ("SIZE", Align::Right)], &rows))
}

fn tables(Shown { index, .. }: &Shown) -> Option<String> {
    let mut relations: Vec<&Relation> = index.relations.iter().collect();
    relations.sort_by(|a, b| b.fingerprint.bytes.cmp(&a.fingerprint.bytes).then_with(|| a.name.cmp(&b.name)));
    let row = |relation: &&Relation| {
        let fingerprint = &relation.fingerprint;
        vec![
            format!("{}.{}", relation.schema, relation.name),
            units::count(fingerprint.rows),
            units::size(fingerprint.bytes),
        ]
    };
    let rows: Vec<_> = relations.iter().map(row).collect();
    (!rows.is_empty()).then(|| render(&[("TABLE", Align::Left), ("ROWS", Align::Right), ("SQL", Align::Right)], &rows))
}

fn skipped(Shown { index, .. }: &Shown) -> Option<String> {
    let row = |skipped: &lifeboat_core::index::Skipped| {
        vec![format!("{}.{}", skipped.schema, skipped.name), skipped.reason.clone()]
    };
    let rows: Vec<_> = index.skipped.iter().map(row).collect();
    (!rows.is_empty()).then(|| render(&[("WITHOUT ROWS", Align::Left), ("WHY", Align::Left)], &rows))
}

fn warnings(Shown { index, .. }: &Shown) -> Option<String> {
    let lines: String = index.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    (!lines.is_empty()).then_some(lines)
}
