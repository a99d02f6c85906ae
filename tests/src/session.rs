//! Sessions of other users of a database, while a backup runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::servers::postgres::Database;

/// A session that has run its statements and stays open.
#[derive(Debug)]
pub struct Held {
    child: Child,
}

impl Held {
    /// Runs `sql` and waits until it is done. This psql says so: in the server there may be another of its name.
    pub fn new(database: &Database<'_>, sql: &str) -> Held {
        let mut psql = database.server.client("psql", &database.name);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]).env("PGAPPNAME", "held");
        let mut held = Held { child: psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap() };
        let said = says_held(held.child.stdout.take().unwrap());
        writeln!(held.child.stdin.as_mut().unwrap(), "{sql};\n\\echo {HELD}").unwrap();
        said.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{sql}: {error}"));
        held
    }

    /// Runs another statement and does not wait.
    pub fn say(&mut self, sql: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{sql};").unwrap();
    }

    /// Commits and ends the session.
    pub fn commit(mut self) {
        self.say("COMMIT");
        self.release();
    }

    /// Ends the session; what it has not committed is rolled back.
    pub fn release(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells when the line is read; goes on reading, so that psql is never kept waiting.
fn says_held(output: ChildStdout) -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line == HELD {
                // Nobody listens where it came too late.
                let _ = tell.send(());
            }
        }
    });
    told
}

const HELD: &str = "held";

/// Waits until a query's answer is true.
pub fn wait_for(database: &Database<'_>, query: &str) {
    let began = Instant::now();
    while database.psql(query) != "t" {
        assert!(began.elapsed() < PATIENCE, "{query} stays false");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A statement that runs until it ends by itself.
#[derive(Debug)]
pub struct Busy {
    child: Child,
}

impl Busy {
    /// Runs `sql` and does not wait.
    pub fn new(database: &Database<'_>, sql: &str) -> Busy {
        let mut psql = database.server.client("psql", &database.name);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        Busy { child: psql.spawn().unwrap() }
    }

    /// Waits until it ends; it must have ended well.
    pub fn join(self) {
        assert!(self.ends_well());
    }

    /// Waits until it ends; whether it ended well.
    pub fn ends_well(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

/// Waits until a query's answer is true, asking every few milliseconds.
pub fn wait_closely(database: &Database<'_>, query: &str) {
    let ask = format!(
        "DO $$ DECLARE ends timestamptz := clock_timestamp() + interval '{} s'; BEGIN
             WHILE NOT coalesce(({query}), false) LOOP
                 IF clock_timestamp() > ends THEN RAISE 'it stays false'; END IF;
                 PERFORM pg_sleep(0.002);
                 PERFORM pg_stat_clear_snapshot();
             END LOOP;
         END $$",
        PATIENCE.as_secs()
    );
    database.psql(&ask);
}

/// How long a crowded machine may take to come to a state that is waited for; one that never comes is a failure then.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the leader of a backup waits for a lock of somebody else.
pub const LEADER_WAITS: &str = "
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'lifeboat/leader' AND wait_event_type = 'Lock'";
