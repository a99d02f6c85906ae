//! The jobs: each a line of bash, shown in the report as it ran.
//!
//! Lines find servers, credentials and directories in their environment (`servers.rs`). `$KEY` names the place in the
//! store, or below `$OUT`, that belongs to one run.

use crate::bench::{
    measure::{self, Usage},
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
    servers.shell(&script(job.clean))?; // also after a failure: the next job wants the place empty
    Ok(Run { usage: measured?, server_cpu, store_cpu, stored_bytes })
}

fn measure(mut command: Command) -> io::Result<Usage> {
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
pub(crate) const JOBS: [Job; 10] = [
    Job { label: "pg_dump", needs: &[], prepare: "", script: "pg_dump > /dev/null", size: "", clean: "" },
    Job {
        label: "gzip-aws",
        needs: &["gzip", "aws"],
        prepare: "",
        script: "pg_dump | gzip | aws s3 cp --only-show-errors - s3://bench/$KEY",
        size: STORE_SIZE,
        clean: "",
    },
    Job {
        label: "pigz-rclone",
        needs: &["pigz", "rclone"],
        prepare: "",
        script: "pg_dump | pigz | rclone rcat store:bench/$KEY",
        size: STORE_SIZE,
        clean: "",
    },
    Job {
        label: "zstd-rclone",
        needs: &["zstd", "rclone"],
        prepare: "",
        script: "pg_dump | zstd -q -T2 | rclone rcat store:bench/$KEY",
        size: STORE_SIZE,
        clean: "",
    },
    Job {
        label: "lifeboat-s3",
        needs: &["lifeboat"],
        prepare: "",
        script: "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL --method stream",
        size: STORE_SIZE,
        clean: "",
    },
    Job {
        label: "lifeboat-sealed",
        needs: &["lifeboat"],
        prepare: "lifeboat key generate --id bench --out $OUT/keyring.toml",
        script: "lifeboat backup --store s3://bench/$KEY --name bench --database-url env:DATABASE_URL --keyring file:$OUT/keyring.toml",
        size: STORE_SIZE,
        clean: "",
    },
    Job {
        label: "lifeboat-file",
        needs: &["lifeboat"],
        prepare: "",
        script: "lifeboat backup --store file://$OUT/$KEY --name bench --database-url env:DATABASE_URL --method stream",
        size: "find \"$OUT/$KEY\" -type f -printf '%s\\n' | awk '{ bytes += $1 } END { print bytes }'",
        clean: "rm -r \"$OUT/$KEY\"",
    },
    Job {
        label: "gunzip-psql",
        needs: &["gunzip"],
        prepare: "",
        script: "createdb restored; gunzip < $OUT/dump.sql.gz | psql -X -q -1 -v ON_ERROR_STOP=1 -d restored",
        size: "",
        clean: DROP_RESTORED,
    },
    Job {
        label: "pg_restore",
        needs: &["pg_restore"],
        prepare: "pg_dump -Fd -j2 -f \"$OUT/directory\"",
        script: "createdb restored; pg_restore -j2 -d restored $OUT/directory",
        size: "",
        clean: DROP_RESTORED,
    },
    Job {
        label: "lifeboat-restore",
        needs: &["lifeboat"],
        prepare: "lifeboat backup --store s3://bench/source --name bench --database-url env:DATABASE_URL --method stream",
        script: "lifeboat restore bench/latest --store s3://bench/source --into $TARGET_URL --create --jobs 2",
        size: "",
        clean: DROP_RESTORED,
    },
];

// The store's listing knows; without a stock client the column stays empty.
const STORE_SIZE: &str = "if command -v rclone > /dev/null; then rclone size --json store:bench/$KEY | grep -o '\"bytes\":[0-9]*' | grep -o '[0-9]*$'; fi";
const DROP_RESTORED: &str = "dropdb --if-exists restored";
