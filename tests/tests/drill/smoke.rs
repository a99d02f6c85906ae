//! `[drill.smoke]`: the operator's own program, of which nothing stays behind.

use std::time::{Duration, Instant};

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_drill::Verdict;
use lifeboat_drill::check::{Smoke, smoke};
use lifeboat_drill::report::CheckReport;
use lifeboat_tests::made::job;
use lifeboat_tests::scratch::unique;
use lifeboat_tests::servers::postgres::PASSWORD;
use lifeboat_tests::{Database, Major, PATIENCE, Postgres, run};

use crate::restored::settings;

fn smoked(database: &Database<'_>, command: &[&str], timeout: Duration) -> CheckReport {
    smoked_within(&settings(database), database, command, timeout)
}

fn smoked_at(target: &ConnectionSettings, database: &Database<'_>, command: &[&str]) -> CheckReport {
    smoked_within(target, database, command, Duration::from_secs(20))
}

fn smoked_within(
    target: &ConnectionSettings,
    database: &Database<'_>,
    command: &[&str],
    timeout: Duration,
) -> CheckReport {
    let path = format!("{}:/usr/bin:/bin", database.server.installation.bin.display());
    let program = Smoke {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        timeout,
        environment: vec![("PATH".to_owned(), path), ("RAILS_ENV".to_owned(), "drill".to_owned())],
    };
    run(async { smoke(&program, target, None, &job()).await }).unwrap()
}

fn shell(database: &Database<'_>, script: &str) -> CheckReport {
    smoked(database, &["sh", "-c", script], Duration::from_secs(20))
}

fn empty() -> Database<'static> {
    Postgres::shared(Major::V15).database("smoke")
}

#[test]
fn a_program_that_works_with_the_database_passes() {
    let database = empty();
    let report =
        shell(&database, "psql -XAt \"$DATABASE_URL\" -c 'SELECT current_database()' && echo in $RAILS_ENV >&2");
    assert_eq!(report.outcome, Verdict::Passed, "{report:#?}");
    assert_eq!(report.findings, [database.name.as_str(), "in drill"]);
}

#[test]
fn a_program_that_forgets_the_url_meets_the_database_all_the_same() {
    let database = empty();
    let words = "psql -XAt -c 'SELECT current_database()'";
    let report = shell(&database, words);
    assert_eq!(
        (report.outcome, report.findings.as_slice()),
        (Verdict::Passed, &[database.name.clone()][..]),
        "{report:#?}"
    );
    // Over TCP with the password, which no variable but the URL has.
    let target = ConnectionSettings::parse(&database.dsn(), &|_| None).unwrap();
    let report =
        smoked_at(&target, &database, &["sh", "-c", &format!("{words} && env | grep -v ^DATABASE_URL | sort")]);
    assert_eq!((report.outcome, &report.findings[0]), (Verdict::Passed, &database.name), "{report:#?}");
    assert!(!format!("{report:?}").contains('…'), "a password was masked: {report:#?}");
    let file = report.findings.iter().find_map(|line| line.strip_prefix("PGPASSFILE=")).unwrap();
    assert!(!std::path::Path::new(file).exists());
}

#[test]
fn it_sees_nothing_of_our_surroundings_and_its_password_is_not_kept() {
    let database = empty();
    let encoded = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let report = shell(&database, &format!("env; echo \"$DATABASE_URL\"; echo 'it is {encoded}, they say'"));
    let text = format!("{report:#?}");
    assert!(!text.contains(PASSWORD) && !text.contains("postgresql://") && !text.contains(&encoded), "{text}");
    assert!(text.contains("it is …, they say"), "{text}");
    let variables: Vec<_> =
        report.findings.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let mut others: Vec<_> =
        variables.into_iter().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)).collect();
    others.sort_unstable();
    let expected = ["DATABASE_URL", "PATH", "PGDATABASE", "PGHOST", "PGPASSFILE", "PGPORT", "PGUSER", "RAILS_ENV"];
    assert_eq!(others, expected);
}

#[test]
fn a_program_that_fails_or_is_killed_fails_with_what_it_printed_last() {
    let database = empty();
    let report = shell(
        &database,
        "for i in $(seq 1 5000); do echo line $i; done; printf 'the \\033[31mend\\033[0m\\n' >&2; exit 3",
    );
    assert_eq!((report.outcome, report.summary.as_str()), (Verdict::Failed, "it ended with 3"));
    assert_eq!(report.findings.last().unwrap(), "the [31mend[0m");
    assert!(report.findings.len() <= 61 && report.findings[0].starts_with('…'), "{:?}", report.findings);

    let report = shell(&database, "kill -9 $$");
    assert_eq!(report.outcome, Verdict::Failed);
    assert!(report.summary.contains("signal: 9"), "{report:#?}");
}

#[test]
fn a_program_that_hangs_is_killed_with_all_it_started() {
    let (database, dir) = (empty(), tempfile::TempDir::new().unwrap());
    let outlived = dir.path().join("outlived");
    let nap = nap();
    let sleep = format!("sleep {nap} && touch {}", outlived.display());
    let script = format!("echo begun; ({sleep}) & sh -c 'trap \"\" TERM; {sleep}' & wait");
    let report = smoked(&database, &["sh", "-c", &script], Duration::from_secs(3));
    assert_eq!(
        (report.outcome, report.findings.as_slice()),
        (Verdict::Failed, &["begun".to_owned()][..]),
        "{report:#?}"
    );
    assert!(report.summary.contains("did not end within"), "{report:#?}");
    assert_eq!(running(&nap), 0);
    assert!(!outlived.exists(), "it was waited for");
}

#[test]
fn a_program_whose_time_is_up_may_clean_up() {
    let script = "trap 'echo cleaned up; exit 0' TERM; echo begun; while :; do sleep 0.1; done";
    let report = smoked(&empty(), &["sh", "-c", script], Duration::from_secs(3));
    assert_eq!(report.outcome, Verdict::Failed, "{report:#?}");
    assert_eq!(report.findings.last().unwrap(), "cleaned up", "{report:#?}");
}

#[test]
fn a_program_may_clean_up_when_the_drill_is_cancelled_and_is_killed_when_it_does_not() {
    let dir = tempfile::TempDir::new().unwrap();
    let (begun, cleaned, nap) = (dir.path().join("begun"), dir.path().join("cleaned"), nap());
    let script = format!(
        "trap 'touch {}; exit 0' TERM; touch {}; (trap '' TERM; exec sleep {nap}) & while :; do sleep 0.1; done",
        cleaned.display(),
        begun.display()
    );
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    let program = Smoke { command, timeout: Duration::from_secs(60), environment: vec![path] };
    let (target, job) = (settings(&empty()), job());
    let cancelling = async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        job.cancel.cancel();
    };
    let (report, ()) = run(async { tokio::join!(smoke(&program, &target, None, &job), cancelling) });
    assert_eq!(report.unwrap_err().kind(), lifeboat_core::Kind::Cancelled);
    assert!(cleaned.exists(), "it was killed, not asked");
    assert_eq!(running(&nap), 0);
}

#[test]
fn what_a_program_leaves_running_is_killed_and_not_waited_for() {
    let (database, nap) = (empty(), nap());
    let report = shell(&database, &format!("sleep {nap} & echo done"));
    // Waiting for it would have taken all the time that the program has, which fails.
    assert_eq!(
        (report.outcome, report.findings.as_slice()),
        (Verdict::Passed, &["done".to_owned()][..]),
        "{report:#?}"
    );
    assert_eq!(running(&nap), 0);
}

#[test]
fn a_program_that_is_not_there_says_nothing_about_the_backup() {
    let report = smoked(&empty(), &["/nonexistent/smoke-test"], Duration::from_secs(5));
    assert_eq!(report.outcome, Verdict::Inconclusive);
    assert!(report.summary.starts_with("start /nonexistent/smoke-test"), "{report:#?}");
}

/// Seconds to sleep for, longer than anybody waits here, and as no other test writes them.
fn nap() -> String {
    format!("600.{}", unique())
}

/// How many processes have this word among their arguments. One that was killed may take a moment.
fn running(word: &str) -> usize {
    let count = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).split('\0').any(|argument| argument == word)).count()
    };
    let began = Instant::now();
    while count() > 0 && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    count()
}
