use super::{ALL, CLASSES, Object, classes_of, collect, unread_classes};
use lifeboat_core::catalog::Catalog;

#[test]
fn every_version_reads_every_class_once() {
    for version in [120_000, 149_999, 150_000, 180_000, 200_000] {
        let names: Vec<_> = classes_of(version).map(|class| class.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(names, unique, "on {version}");
        assert!(CLASSES.iter().all(|class| names.contains(&class.name)), "on {version}");
    }
    assert!(ALL.0 < ALL.1);
}

#[test]
fn queries_hold_nothing_that_psql_would_expand() {
    for class in CLASSES {
        let lines =
            class.query.lines().chain(super::PRELUDE.lines()).filter(|line| !line.trim_start().starts_with("--"));
        for line in lines {
            let outside: String = line.split('\'').step_by(2).collect();
            assert!(!outside.replace("::", "").contains([':', '\\', ';']), "{}: {line}", class.name);
        }
    }
}

#[test]
fn an_identity_that_comes_twice_keeps_both_definitions() {
    let object = |definition: &str| Object { identity: "a".into(), definition: definition.into() };
    assert_eq!(collect(vec![object("1"), object("2")], false)["a"], "1\n2");
}

#[test]
fn a_class_that_was_not_read_is_named() {
    let mut catalog = Catalog::default();
    assert_eq!(unread_classes(&catalog).len(), CLASSES.len() - 1, "one class has two queries");
    catalog.classes.insert("views".into(), Default::default());
    assert!(!unread_classes(&catalog).contains(&"views"));
}
