//! Databases that a command gives.

use std::path::Path;
use std::time::Duration;

use lifeboat_backup::MissingRoles;
use lifeboat_core::{Kind, Result};
use lifeboat_drill::scratch::{Needs, Scratch, ScratchOptions};
use lifeboat_tests::places::{SHELL_COMMAND, collect, command, drill, job, left, processes};
use lifeboat_tests::servers::postgres::PASSWORD;
use lifeboat_tests::{Major, Postgres, run};
use tempfile::TempDir;

use super::holder::Holder;

fn open(options: &ScratchOptions) -> Result<Scratch> {
    run(Scratch::open(options, &Needs::default(), &drill(), &job()))
}

fn shell(dir: &Path, script: &str, dsn: &str) -> ScratchOptions {
    command(dir, &["sh", "-c", script], &[("DSN", dsn)])
}

fn refusal(options: &ScratchOptions, kind: Kind) -> String {
    let error = open(options).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    error.chain()
}

#[test]
fn a_command_gives_a_database_and_is_asked_to_end() {
    let (dir, database) = (TempDir::new().unwrap(), Postgres::shared(Major::V15).database("given"));
    let ended = dir.path().join("ended");
    let script =
        format!("trap 'echo ended > {}; exit' TERM; sleep 600 & echo \"$DSN\"; seq 100000; wait", ended.display());
    let drills = dir.path().join("drills");
    let scratch = open(&shell(&drills, &script, &database.dsn())).unwrap();
    assert_eq!(scratch.target().dbname, database.name);
    assert_eq!((scratch.creates(), scratch.roles()), (false, MissingRoles::Stub));
    assert!(processes(&drills).len() >= 2);
    assert_eq!(collect(&shell(&drills, "", "")).alive.len(), 1);
    run(scratch.close(&job())).unwrap();
    assert!(ended.exists(), "the command was killed, not asked");
    assert_eq!(left(&drills), Vec::<String>::new());
}

#[test]
fn the_command_of_a_killed_drill_and_its_children_are_ended_by_the_next() {
    let (dir, database) = (TempDir::new().unwrap(), Postgres::shared(Major::V15).database("given"));
    let path = dir.path().display().to_string();
    let mut holder = Holder::start(&["command", &path, &database.dsn()]);
    holder.opened();
    assert!(!processes(dir.path()).is_empty());
    holder.kill();
    let collected = collect(&command(dir.path(), SHELL_COMMAND, &[]));
    assert_eq!((collected.removed.len(), collected.left), (1, Vec::new()));
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_command_that_gives_nothing_nonsense_or_something_that_is_not_empty_is_refused() {
    let (dir, database) = (TempDir::new().unwrap(), Postgres::shared(Major::V15).database("given"));
    let says = |script: &str, kind| refusal(&shell(dir.path(), script, &database.dsn()), kind);
    let nothing = says("echo \"no space for another as $DSN\" >&2; exit 1", Kind::Tool);
    assert!(nothing.contains("its command named none: no space for another as postgresql://"), "{nothing}");
    assert!(!nothing.contains(PASSWORD), "{nothing}");
    says("echo", Kind::Tool);
    let nonsense = says("echo password=hunter2 is it; sleep 60", Kind::Config);
    assert!(!nonsense.contains("hunter2"), "{nonsense}");
    refusal(&command(dir.path(), &["/no/such/program"], &[]), Kind::Tool);

    database.psql("CREATE TABLE kept (id int)");
    let not_empty = refusal(&command(dir.path(), SHELL_COMMAND, &[("DSN", &database.dsn())]), Kind::Policy);
    assert!(not_empty.contains("it is not empty: it has 1 object"), "{not_empty}");
    database.psql("DROP TABLE kept; CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    refusal(&command(dir.path(), SHELL_COMMAND, &[("DSN", &database.dsn())]), Kind::Policy);
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_command_that_never_says_where_its_database_is_is_ended_in_time() {
    let dir = TempDir::new().unwrap();
    let outlived = dir.path().join("outlived");
    let mut options = shell(dir.path(), &format!("trap '' TERM; sleep 60 && touch {}", outlived.display()), "");
    if let ScratchOptions::Command(options) = &mut options {
        options.start_timeout = Duration::from_millis(200);
    }
    refusal(&options, Kind::Tool);
    assert!(!outlived.exists(), "it was waited for");
    assert_eq!(left(dir.path()), Vec::<String>::new());
}
