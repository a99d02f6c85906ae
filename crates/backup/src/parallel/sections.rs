//! The pieces of the script that are not rows of tables: what tools print under the snapshot, and values of sequences.

use std::path::Path;

use lifeboat_core::index::{Content, Section};
use lifeboat_core::store::UploadOptions;
use lifeboat_core::store::layout::Piece;
use lifeboat_core::{Job, Kind, Result, ResultExt};

use crate::indexed::IndexedScript;
use crate::leader::{Leader, SequenceValue};
use crate::objects::BackupObjects;
use crate::stream;
use crate::tools::Toolbox;

/// The definitions before or after the rows, as `pg_restore` makes them of the schema archive in the file `archive`.
pub(crate) async fn section(
    job: &Job,
    tools: &Toolbox,
    archive: &Path,
    piece: Piece,
    objects: BackupObjects,
    upload: &UploadOptions,
) -> Result<IndexedScript> {
    let section = if piece == Piece::PostData { "post-data" } else { "pre-data" };
    let mut pg_restore = tools.offline("pg_restore");
    pg_restore.arg(format!("--section={section}")).arg("--file=-").arg(archive);
    let script = stream::dump(job, pg_restore, "pg_restore", piece, objects, upload, u64::MAX).await?;
    Ok(IndexedScript { objects: script.objects, ranges: script.ranges, ..IndexedScript::default() })
}

/// The large objects under the snapshot, as `pg_dump` prints them: a section of data without any table. Tables whose data alone
/// are excluded it would lock all over again.
pub(crate) async fn large_objects(
    job: &Job,
    tools: &Toolbox,
    snapshot: &str,
    objects: BackupObjects,
    upload: &UploadOptions,
) -> Result<IndexedScript> {
    let mut pg_dump = tools.pg_dump("large-objects");
    // Of a dump without some tables they are no part unless asked for; `-b` is what every version calls them.
    pg_dump.args(["--section=data", "-b", "--exclude-table=*.*"]);
    pg_dump.arg(format!("--snapshot={snapshot}"));
    let script = stream::dump(job, pg_dump, "pg_dump", Piece::LargeObjects, objects, upload, u64::MAX).await?;
    let large_objects = script.large_objects;
    Ok(IndexedScript { objects: script.objects, ranges: script.ranges, large_objects, ..IndexedScript::default() })
}

/// The values of sequences; to be taken after the last row.
pub(crate) async fn sequences(leader: &mut Leader, objects: BackupObjects) -> Result<IndexedScript> {
    let values = leader.sequence_values().await?;
    if values.is_empty() {
        return Ok(IndexedScript::default());
    }
    let statements: Vec<_> = values.iter().map(SequenceValue::statement).collect();
    let sql = leader.encode(&statements).await?.concat();
    let write = move || {
        let name = Piece::Sequences.object(0, objects.compression);
        let mut writer = objects.open(&name)?;
        writer.write(&sql)?;
        let content = Content::Sql { section: Section::Data, only_copy: false };
        let ranges = writer.end_range()?.map(|range| (range, content)).into_iter().collect();
        let mut script = IndexedScript::default();
        script.add_object(name, writer.finish()?, ranges);
        Ok(script)
    };
    // The writer may wait for the uploader, which runs on this thread.
    let written = tokio::task::spawn_blocking(write).await;
    let mut script = written.kind_of(Kind::Failure, || "write the values of sequences".into())??;
    script.sequences = values.iter().map(SequenceValue::indexed).collect();
    Ok(script)
}
