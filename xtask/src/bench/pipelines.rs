//! The jobs: each a line of bash, shown in the report as it ran.
//!
//! Lines find servers, credentials and directories in their environment (`servers.rs`). `$KEY` names the place in the
//! store, or below `$OUT`, that belongs to one run.

use crate::bench::{
    measure::{self, Usage},
    phases::Phases,
    report::{Outcome, Run},
    servers::Servers,
};
use std::{
    io::{self, Read, Seek},
    process::{Command, Stdio},
};

/// One pipeline to measure.
pub(crate) struct Job {
    pub(crate) label: &'static str,
    /// Programs without which it is "not measured".
    pub(crate) needs: &'static [&'static str],
    /// Run once, before the first round.
    prepare: &'static str,
    /// What is measured.
    pub(crate) script: &'static str,
    /// Prints the number of bytes it left behind.
    size: &'static str,
    /// Prints the result record of a drill.
    record: &'static str,
    /// Takes away what a run left.
    clean: &'static str,
}

/// Looks for the job's tools and runs its preparation.
pub(crate) fn prepare(job: &'static Job, servers: &Servers) -> Outcome {
    let missing = job.needs.iter().find(|program| !servers.has(program));
    let problem = match missing {
        Some(program) => Some(format!("not measured: no {program} here")),
        None => servers.shell(job.prepare).err().map(|error| format!("failed: {error}")),
    };
    Outcome { job, runs: Vec::new(), problem }
}

/// Runs the job once. What goes wrong is told in the report, and the job is not tried again.
pub(crate) fn run(outcome: &mut Outcome, servers: &Servers, round: u32) {
    if outcome.problem.is_some() {
        return;
    }
    let label = outcome.job.label;
    match once(outcome.job, servers, &format!("{label}-{round}")) {
        Ok(run) => {
            println!("  {label:16} {:6.1} s", run.usage.wall.as_secs_f64());
            outcome.runs.push(run);
        }
        Err(error) => {
            println!("  {label:16} failed: {error}");
            outcome.problem = Some(format!("failed: {error}"));
        }
    }
}

fn once(job: &Job, servers: &Servers, key: &str) -> io::Result<Run> {
    let script = |line: &str| format!("KEY={key}\n{line}");
    servers.settle()?; // no run pays for the writes of the one before it
    let before = (servers.postgres_cpu(), servers.store_cpu());
    let measured = measure(servers.bash(&script(job.script)));
    servers.settle()?;
    let (server_cpu, store_cpu) = (servers.postgres_cpu() - before.0, servers.store_cpu() - before.1);
    let stored_bytes = servers.shell(&script(job.size)).ok().and_then(|bytes| bytes.trim().parse().ok());
    let phases = servers.shell(&script(job.record)).map(|record| Phases::read(&record)).unwrap_or_default();
    servers.shell(&script(job.clean))?; // also after a failure: the next job wants the place empty
    Ok(Run { usage: measured?, server_cpu, store_cpu, stored_bytes, phases })
}

/// Runs a command; its last words are the error of one that fails.
pub(crate) fn measure(mut command: Command) -> io::Result<Usage> {
    let mut errors = tempfile::tempfile()?;
    command.stdout(Stdio::null()).stderr(errors.try_clone()?);
    let (status, usage) = measure::run(&mut command)?;
    if status.success() {
        return Ok(usage);
    }
    let mut text = String::new();
    errors.rewind()?;
    errors.read_to_string(&mut text)?;
    Err(io::Error::other(format!("{status}: {}", text.lines().last().unwrap_or_default())))
}

/// The first is the server's own cost, to which the backups are compared.
pub(crate) const JOBS: [Job; 20] = [
    job("pg_dump", "pg_dump > /dev/null"),
    Job {
        needs: &["gzip", "aws"],
        size: STORE_SIZE,
        ..job("gzip-aws", "pg_dump | gzip | aws s3 cp --only-show-errors - s3://bench/$KEY")
    },
    Job {
        needs: &["pigz", "rclone"],
        size: STORE_SIZE,
        ..job("pigz-rclone", "pg_dump | pigz | rclone rcat store:bench/$KEY")
    },
    Job {
        needs: &["zstd", "rclone"],
        size: STORE_SIZE,
        ..job("zstd-rclone", "pg_dump | zstd -q -T0 | rclone rcat store:bench/$KEY")
    },
    Job {
        needs: &["rclone"],
        size: STORE_SIZE,
        clean: "rm -rf \"$OUT/$KEY\"",
        ..job("directory-rclone", "pg_dump -Fd -j2 -f $OUT/$KEY && rclone copy $OUT/$KEY store:bench/$KEY")
    },
    Job {
        needs: LIFEBOAT,
        size: STORE_SIZE,
        ..job(
            "stream-s3",
            "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL --method stream",
        )
    },
    Job {
        needs: LIFEBOAT,
        size: FOLDER_SIZE,
        clean: "rm -r \"$OUT/$KEY\"",
        ..job(
            "stream-file",
            "lifeboat backup --store file://$OUT/$KEY --name bench --database-url env:DATABASE_URL --method stream",
        )
    },
    Job {
        needs: LIFEBOAT,
        prepare: KEYRING,
        size: STORE_SIZE,
        ..job(
            "lifeboat-s3",
            "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL --keyring file:$OUT/keyring.toml",
        )
    },
    Job {
        needs: LIFEBOAT,
        size: STORE_SIZE,
        ..job("lifeboat-open", "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL")
    },
    Job {
        needs: LIFEBOAT,
        prepare: KEYRING,
        size: STORE_SIZE,
        ..job(
            "lifeboat-zstd",
            "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL --keyring file:$OUT/keyring.toml \
             --compression zstd",
        )
    },
    Job {
        needs: LIFEBOAT,
        prepare: KEYRING,
        size: FOLDER_SIZE,
        clean: "rm -r \"$OUT/$KEY\"",
        ..job(
            "lifeboat-file",
            "lifeboat backup --store file://$OUT/$KEY --name bench --database-url env:DATABASE_URL --keyring file:$OUT/keyring.toml",
        )
    },
    Job {
        clean: DROP_RESTORED,
        ..job(
            "gunzip-psql",
            "createdb restored; gunzip < $OUT/dump.sql.gz | psql -X -q -1 -v ON_ERROR_STOP=1 -d restored",
        )
    },
    Job {
        prepare: "pg_dump -Fd -j2 -f \"$OUT/directory\"",
        clean: DROP_RESTORED,
        ..job("pg_restore", "createdb restored; pg_restore -j2 -d restored $OUT/directory")
    },
    Job {
        needs: &["pgcopydb"],
        clean: DROP_RESTORED,
        ..job(
            "pgcopydb",
            "createdb restored; pgcopydb clone --source $DATABASE_URL --target $TARGET_URL --table-jobs 2 --index-jobs 2 \
             --dir $OUT/$KEY > /dev/null 2>&1",
        )
    },
    Job {
        needs: LIFEBOAT,
        prepare: "[ -e $OUT/keyring.toml ] || lifeboat key generate --id bench --out $OUT/keyring.toml; \
                  lifeboat backup --store s3://bench/source --name bench --database-url env:DATABASE_URL --keyring file:$OUT/keyring.toml",
        clean: DROP_RESTORED,
        ..job(
            "lifeboat-restore",
            "lifeboat restore bench/latest --store s3://bench/source --into $TARGET_URL --create --jobs 2 \
             --keyring file:$OUT/keyring.toml",
        )
    },
    Job {
        needs: LIFEBOAT,
        prepare: "[ -e $OUT/keyring.toml ] || lifeboat key generate --id bench --out $OUT/keyring.toml; \
                  [ -e $OUT/drilled ] || lifeboat backup --store s3://bench/drilled --name bench --database-url env:DATABASE_URL \
                  --keyring file:$OUT/keyring.toml; touch $OUT/drilled; mkdir -p $OUT/drills; chmod a+x $OUT",
        record: "tail -n 1 $OUT/drill.json",
        ..job(
            "lifeboat-drill",
            "lifeboat drill run bench/latest --store s3://bench/drilled --jobs 2 --dir $OUT/drills \
             --keyring file:$OUT/keyring.toml --json > $OUT/drill.json",
        )
    },
    Job { prepare: MANY, ..job("many-pg_dump", "pg_dump many > /dev/null") },
    Job {
        needs: LIFEBOAT,
        size: STORE_SIZE,
        ..job("many-lifeboat", "lifeboat backup --store s3://bench/$KEY --name many --database-url $MANY_URL")
    },
    Job {
        needs: LIFEBOAT,
        prepare: "lifeboat backup --store s3://bench/many --name many --database-url $MANY_URL",
        clean: DROP_RESTORED,
        ..job(
            "many-restore",
            "lifeboat restore many/latest --store s3://bench/many --into $TARGET_URL --create --jobs 2",
        )
    },
    Job {
        needs: LIFEBOAT,
        clean: DROP_RESTORED,
        ..job(
            "many-one-schema",
            "lifeboat restore many/latest --store s3://bench/many --into $TARGET_URL --create --jobs 2 --schema tenant_117",
        )
    },
];

const fn job(label: &'static str, script: &'static str) -> Job {
    Job { label, needs: &[], prepare: "", script, size: "", record: "", clean: "" }
}

const LIFEBOAT: &[&str] = &["lifeboat"];
const KEYRING: &str = "[ -e $OUT/keyring.toml ] || lifeboat key generate --id bench --out $OUT/keyring.toml";
/// 10,000 small tables, 50 in each of 200 schemas.
const MANY: &str = "createdb many; for s in $(seq -w 200); do echo \"BEGIN; CREATE SCHEMA tenant_$s;\"; for t in $(seq -w 50); do \
    echo \"CREATE TABLE tenant_$s.t_$t (id int PRIMARY KEY, name text, at timestamptz); \
    INSERT INTO tenant_$s.t_$t SELECT i, md5(i::text), now() FROM generate_series(1, 20) i;\"; \
    done; echo 'COMMIT;'; done | psql -X -q -d many";
// The store's listing knows; without a stock client the column stays empty.
const STORE_SIZE: &str = "if command -v rclone > /dev/null; then rclone size --json store:bench/$KEY | grep -o '\"bytes\":[0-9]*' | grep -o '[0-9]*$'; fi";
const FOLDER_SIZE: &str = "find \"$OUT/$KEY\" -type f -printf '%s\\n' | awk '{ bytes += $1 } END { print bytes }'";
const DROP_RESTORED: &str = "dropdb --if-exists restored";
