//! Whether memory grows with the database: each job on databases of several sizes, whose rows are alike.

use crate::bench::{Servers, build, pipelines::measure, search_path};
use clap::Args;
use std::io;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Sizes of the databases, in gigabytes of SQL
    #[arg(long, value_delimiter = ',', default_value = "1,4", value_name = "GB,…")]
    sizes: Vec<u32>,
    /// Measure only this job; may be repeated
    #[arg(long, value_name = "LABEL", value_parser = ["parallel", "stream", "zstd", "restore"])]
    only: Vec<String>,
}

/// Measures, and prints a table for docs/benchmarks.md.
pub(crate) fn bench(options: &Options) -> io::Result<()> {
    build()?;
    let place = tempfile::Builder::new().prefix("lifeboat-bench-memory-").tempdir()?;
    let servers = Servers::start(place.path(), &search_path()?)?;
    println!("| job | SQL GB | time s | memory MiB |\n|---|--:|--:|--:|");
    for size in &options.sizes {
        servers.shell(&with(*size, GENERATE))?;
        let wanted =
            JOBS.iter().filter(|(label, _)| options.only.is_empty() || options.only.iter().any(|o| o == label));
        for (label, script) in wanted {
            servers.settle()?;
            let usage = measure(servers.bash(&with(*size, script)))?;
            let (secs, mib) = (usage.wall.as_secs_f64(), usage.peak_rss_bytes as f64 / 1_048_576.0);
            println!("| {label} | {size} | {secs:.1} | {mib:.0} |");
        }
        servers.shell(&with(*size, "dropdb memory; dropdb --if-exists restored; rm -rf $OUT/store"))?;
    }
    Ok(())
}

fn with(size: u32, script: &str) -> String {
    format!("SIZE={size}; SOURCE=${{DATABASE_URL%/bench}}/memory; STORE=file://$OUT/store\n{script}")
}

/// The last backup is the one that is restored. The store is a folder: SeaweedFS would need the space of four databases.
const JOBS: [(&str, &str); 4] = [
    ("parallel", "lifeboat backup --store $STORE --name memory --database-url $SOURCE --jobs 2"),
    ("stream", "lifeboat backup --store $STORE --name memory --database-url $SOURCE --method stream"),
    ("zstd", "lifeboat backup --store $STORE --name memory --database-url $SOURCE --jobs 2 --compression zstd"),
    (
        "restore",
        "[ -e $OUT/store ] || lifeboat backup --store $STORE --name memory --database-url $SOURCE; \
         lifeboat restore memory/latest --store $STORE --into $TARGET_URL --create --jobs 2",
    ),
];

/// A row is about 260 bytes of SQL, and there are four tables: one of half of them, which is cut, and three of the rest.
const GENERATE: &str = "createdb memory; psql -X -q -d memory -c 'SET synchronous_commit = off' \
    -c \"CREATE TABLE a AS SELECT g AS id, repeat(md5(g::text), 4) || md5((g + 7)::text) || repeat('x', 80) AS text
         FROM generate_series(1::bigint, 2000000::bigint * $SIZE) g\" \
    -c 'CREATE TABLE b AS SELECT * FROM a WHERE id % 3 = 0' -c 'CREATE TABLE c AS SELECT * FROM a WHERE id % 3 = 1' \
    -c 'CREATE TABLE d AS SELECT * FROM a WHERE id % 3 = 2' -c 'VACUUM ANALYZE'";
