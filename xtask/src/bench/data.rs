//! The benchmark's database: made by SQL alone, the same on every machine.

use crate::bench::{Size, servers::Servers};
use std::{
    io::{self, Write},
    process::Stdio,
};

/// How large the database came out.
pub(crate) struct Facts {
    pub(crate) rows: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) plain_bytes: u64,
    pub(crate) gzip6_bytes: u64,
}

/// Creates and fills the database `bench`, and dumps it once: the caches are warm before the first round.
pub(crate) fn load(servers: &Servers, size: Size) -> io::Result<Facts> {
    println!("generating the database");
    servers.shell("createdb bench")?;
    let events = if size == Size::Full { "rows=1000000" } else { "rows=20000" };
    let mut psql = servers.command("psql");
    let mut psql = psql.args(["-X", "-q", "-o", "/dev/null", "-v", events, "-f", "-"]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut script) = psql.stdin.take() {
        script.write_all(include_bytes!("data.sql"))?;
    }
    if !psql.wait()?.success() {
        return Err(io::Error::other("generating the database failed"));
    }
    measure(servers)
}

fn measure(servers: &Servers) -> io::Result<Facts> {
    let number = |script: &str| -> io::Result<u64> { servers.shell(script)?.trim().parse().map_err(io::Error::other) };
    Ok(Facts {
        rows: number("psql -XAtc 'SELECT sum(n_live_tup) FROM pg_stat_user_tables'")?,
        disk_bytes: number("psql -XAtc 'SELECT pg_database_size(current_database())'")?,
        plain_bytes: number("pg_dump | wc -c")?,
        gzip6_bytes: number("pg_dump | gzip -6 | tee \"$OUT/dump.sql.gz\" | wc -c")?,
    })
}
