//! Values that do not open: counted, named by their key, and left as they are.

use lifeboat_rotate::sweep::{AcceptList, Failure};
use lifeboat_tests::Major;

use crate::world::{NEW, OTHER, World, same, small};

#[test]
fn each_kind_of_value_has_its_outcome_and_only_those_that_open_are_written() {
    let (world, mut plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 100);
    let value = |id: u32| world.database.psql(&format!("SELECT value FROM secrets WHERE id = {id}"));
    let flipped = |text: String| {
        let at = text.len() - 6;
        let other = if text.as_bytes()[at] == b'A' { 'B' } else { 'A' };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    let odd = [
        (1, "'a password somebody typed'".to_owned()),
        (2, "''".to_owned()),
        (3, "NULL".to_owned()),
        (4, format!("'{}'", world.encrypted(OTHER, "of another application"))),
        (5, format!("'{}'", flipped(value(5)))),
        (6, format!("'{}'", &value(6)[..value(6).len() - 3])),
        (7, format!("'{}%{}'", &value(7)[..30], &value(7)[31..])),
        (8, format!("'{}'", world.encrypted(NEW, "new already"))),
    ];
    for (id, value) in &odd {
        world.database.psql(&format!("UPDATE secrets SET value = {value} WHERE id = {id}"));
        plain.remove(&id.to_string());
    }
    plain.insert("8".to_owned(), "new already".to_owned());
    let kept =
        "SELECT md5(string_agg(id || coalesce(value, '-'), '' ORDER BY id)) FROM secrets WHERE id BETWEEN 1 AND 8";
    let before = world.database.psql(kept);

    let target = world.run(&small()).unwrap().targets.remove(0);
    let counts = target.counts;
    assert_eq!((counts.rotated, counts.already_new, counts.empty), (92, 1, 2), "{target:?}");
    assert_eq!((counts.plaintext, counts.failed_authentication, counts.malformed), (1, 2, 2), "{target:?}");
    assert_eq!(counts.total(), 100);
    let mut named: Vec<_> = target.failures.named.iter().map(Failure::key_text).collect();
    named.sort();
    assert_eq!(named, ["1", "4", "5", "6", "7"]);
    assert_eq!(world.database.psql(kept), before);
    same(&world.opened(NEW), &plain, "plaintexts");

    let verified = world.verify(&small()).targets.remove(0);
    assert_eq!((verified.counts.already_new, verified.failures.total), (93, 5));
}

#[test]
fn failures_are_named_up_to_a_limit_and_all_counted() {
    let (world, _) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 20);
    world.database.psql("INSERT INTO secrets SELECT n, 'typed ' || n FROM generate_series(100, 599) n");
    let list: String = (100..590).map(|id| format!("{id}\n")).collect();
    let accept = AcceptList::parse(&list).unwrap();
    let options = lifeboat_rotate::sweep::SweepOptions { failures_named: 10, accept, ..small() };
    let target = world.run(&options).unwrap().targets.remove(0);
    assert_eq!((target.failures.named.len(), target.failures.total, target.failures.unaccepted()), (10, 500, 10));
    assert!(target.failures.named.iter().all(|failure| !failure.accepted), "those first that stand in the way");
    let shown = serde_json::to_string(&target).unwrap();
    assert!(!shown.contains("typed"), "{shown}");
}
