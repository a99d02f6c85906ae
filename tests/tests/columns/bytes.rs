//! A database in no encoding at all, whose texts are whatever bytes an application wrote.

use lifeboat_core::Kind;
use lifeboat_rotate::detect::{DetectOptions, detect};
use lifeboat_rotate::sweep::{AcceptList, Mode, SweepOptions};
use lifeboat_tests::scratch::unused_name;
use lifeboat_tests::{Major, Postgres, run};

use crate::world::{NEW, OLD, Plain, World, job, keyring, mode, plain, same, small};

/// A table whose rows are named by texts.
fn world(count: usize) -> (World<'static>, Plain) {
    let (server, name) = (Postgres::shared(Major::V15), unused_name("columns"));
    server.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"));
    let database = server.adopt(&name);
    database.psql("CREATE TABLE secrets (name text PRIMARY KEY, id int, value text)");
    let world = World { database, target: crate::world::target("secrets", "value") };
    let plain = plain(count);
    // The key is made of the number, which the plaintexts go by.
    world.database.psql("ALTER TABLE secrets ALTER name SET DEFAULT gen_random_uuid()");
    world.fill(OLD, &plain);
    world.database.psql("UPDATE secrets SET name = 'r' || chr(233 - id % 2) || id / 2");
    (world, plain)
}

#[test]
fn a_key_that_is_no_utf_8_is_no_position_and_another_one_is_named() {
    let (mut world, plain) = world(400);
    let error = world.run(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.help().unwrap().contains("--key-column"), "{}", error.chain());
    world.rollback(&SweepOptions { batch_rows: Some(1000), ..SweepOptions::default() }).unwrap();
    same(&world.opened(OLD), &plain, "plaintexts");
    assert!(world.run(&mode(Mode::Offline)).unwrap().is_clean(), "one transaction needs no position");
    world.rollback(&small()).unwrap();
    same(&world.opened(OLD), &plain, "plaintexts");
    world.database.psql("ALTER TABLE secrets ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY UNIQUE");
    world.target.key_columns = Some(vec!["number".to_owned()]);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn two_rows_that_are_shown_by_one_name_are_not_given_up_by_it() {
    let (world, _) = world(10);
    world.database.psql("UPDATE secrets SET value = 'caf' || chr(233) WHERE id IN (4, 5)");
    let summary = world.run(&SweepOptions::default()).unwrap();
    assert_eq!((summary.targets[0].counts.rotated, summary.targets[0].counts.plaintext), (8, 2), "{summary:?}");
    let named: Vec<_> = summary.targets[0].failures.named.iter().map(|failure| failure.key_text()).collect();
    assert_eq!(named, ["r\u{fffd}2", "r\u{fffd}2"]);
    let detection = run(detect(&world.settings(), Vec::new(), &DetectOptions::default(), &job())).unwrap();
    assert!(detection.not_looked_at[0].why.contains("invalid byte sequence"), "{detection:?}");
    let accept = SweepOptions { accept: AcceptList::parse("r\u{fffd}2").unwrap(), ..SweepOptions::default() };
    assert_eq!(world.finalize(&accept).unwrap_err().kind(), Kind::Policy);
}

#[test]
fn what_is_no_utf_8_is_no_rival_and_said_not_to_have_been_looked_at() {
    let (mut world, _) = world(0);
    world.database.psql("ALTER TABLE secrets ADD login text, ADD nonce text, ADD note text");
    world.target.column = None;
    world.target.layout = "columns{login: base64(ct tag), nonce: hex(iv)}".parse().unwrap();
    let stored = keyring(&world.target, OLD).encrypt(b"a login", b"").unwrap().into_columns();
    let [login, nonce] = [0, 1].map(|at| str::from_utf8(&stored[at]).unwrap());
    world.database.psql(&format!(
        "INSERT INTO secrets VALUES ('a', 1, NULL, '{login}', '{nonce}', 'caf' || chr(233)), ('b', 2, NULL, NULL, NULL, 'tea')"
    ));
    let plan = world.plan();
    assert_eq!(plan.refusals().count(), 0, "{plan:?}");
    let remark = "whether note is encrypted with nonce was not looked at: some of what it holds is no UTF-8";
    assert!(plan.targets[0].remarks.iter().any(|told| told == remark), "{plan:?}");
    assert_eq!(world.run(&small()).unwrap().targets[0].counts.rotated, 1);
    assert!(world.rollback(&small()).unwrap().is_clean());
}
