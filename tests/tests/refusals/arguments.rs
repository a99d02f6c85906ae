//! A password in an argument is refused before anything else happens, and never echoed.

use lifeboat_tests::{Lifeboat, Outcome};

const SECRET: &str = "canary-arg-91b2";

fn lines() -> Vec<Vec<String>> {
    let uri = format!("postgresql://app:{SECRET}@127.0.0.1:1/shop");
    let pairs = format!("host=127.0.0.1 dbname=shop password={SECRET}");
    let query = format!("postgresql://127.0.0.1:1/shop?password={SECRET}");
    let store = format!("s3://key:{SECRET}@bucket/prefix");
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        words(&["backup", "--store", "file:///nowhere", "--name", "shop", "--database-url", &uri]),
        words(&["backup", "--store", "file:///nowhere", "--name", "shop", "--database-url", &pairs]),
        words(&["backup", "--store", "file:///nowhere", "--name", "shop", &format!("--database-url={query}")]),
        words(&["restore", "latest", "--store", "file:///nowhere", "--into", &uri]),
        words(&["restore", "latest", "--store", "file:///nowhere", "--into", &pairs]),
        words(&["list", "--store", &store]),
        words(&["list", &format!("--store={store}")]),
        // Even where it stands in the wrong place: the usage error would repeat it.
        words(&["list", "--no-such-option", &uri]),
        words(&["backup", &uri]),
    ]
}

#[test]
fn a_password_in_an_argument_is_refused_and_never_echoed() {
    for line in lines() {
        let outcome: Outcome = Lifeboat::new().args(&line).run().expect(2);
        assert!(outcome.stderr.contains("carries a password"), "{line:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("env:NAME"), "{line:?}: {}", outcome.stderr);
        assert!(!outcome.text().contains(SECRET), "{line:?}: {}", outcome.text());
    }
}

#[test]
fn the_record_does_not_echo_it_either() {
    for line in lines() {
        let outcome = Lifeboat::new().args(&line).arg("--json").arg("-vv").run().expect(2);
        assert_eq!(outcome.last_record()["exit_kind"], "usage");
        assert!(!outcome.text().contains(SECRET), "{line:?}: {}", outcome.text());
    }
}

#[test]
fn the_timers_program_refuses_it_as_well() {
    let uri = format!("postgresql://app:{SECRET}@127.0.0.1:1/shop");
    let outcome = Lifeboat::program("lifeboat-backup").args(["--name", "shop", "--database-url", &uri]).run().expect(2);
    assert!(!outcome.text().contains(SECRET), "{}", outcome.text());
}

#[test]
fn a_password_in_the_environments_variable_for_the_url_is_refused_too() {
    let outcome = Lifeboat::new()
        .args(["backup", "--store", "file:///nowhere", "--name", "shop"])
        .env("LIFEBOAT_DATABASE_URL", format!("postgresql://app:{SECRET}@127.0.0.1:1/shop"))
        .run()
        .expect(78);
    assert!(outcome.stderr.contains("LIFEBOAT_DATABASE_URL") && !outcome.text().contains(SECRET), "{}", outcome.text());
}
