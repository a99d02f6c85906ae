//! Each `lifeboat.toml` is read without a complaint, with the product's variables set.

use std::collections::BTreeSet;
use std::fs;

use lifeboat_tests::{Lifeboat, Outcome};
use tempfile::TempDir;

use crate::products::{ALL, DAOFLOW, Product};

fn config(product: Product, verb: &str) -> Outcome {
    let folder = TempDir::new().unwrap();
    let keyring = folder.path().join("keyring.toml");
    Lifeboat::new().args(["key", "generate", "--id", "2026-11", "--out"]).arg(&keyring).run().expect(0);
    let keyring = format!("file:{}", keyring.display());
    let command = Lifeboat::new().args(["config", verb, "--config"]).arg(product.file("lifeboat.toml"));
    command.envs(product.variables.iter().copied()).env("LIFEBOAT_KEYRING", keyring).run()
}

#[test]
fn every_example_is_read_without_a_problem() {
    for product in ALL {
        let shown = config(product, "show").expect(0).stdout;
        for described in product.databases() {
            assert!(shown.contains(&format!("name = {:?}", described.name)), "{}: {shown}", product.name);
            for assert in product.asserts(&described.name) {
                assert!(shown.contains(&assert), "{}: {assert}: {shown}", product.name);
            }
        }
        assert!(!shown.contains("canary"), "{}: {shown}", product.name);
    }
}

#[test]
fn every_example_passes_the_check() {
    for product in ALL {
        let outcome = config(product, "check").expect(0);
        for described in product.databases() {
            assert!(outcome.stdout.contains(&described.name), "{}: {}", product.name, outcome.stdout);
        }
    }
}

#[test]
fn a_check_misses_each_variable_that_is_not_set() {
    // Without the key of encrypted columns there are backups all the same.
    let is_needed = |product: &Product| product.variables.first().is_some_and(|(name, _)| *name != "ENCRYPTION_KEY");
    for product in ALL.into_iter().filter(is_needed) {
        let (missing, _) = product.variables[0];
        let less = Product { variables: &product.variables[1..], ..product };
        let outcome = config(less, "check").expect(78);
        assert!(outcome.stderr.contains(missing), "{}: {}", product.name, outcome.stderr);
    }
}

#[test]
fn a_check_says_which_keys_of_columns_are_not_here() {
    let outcome = config(Product { variables: &[], ..DAOFLOW }, "check").expect(0);
    assert!(
        outcome.stdout.contains("needed to rotate columns and to drill them: env:ENCRYPTION_KEY"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn every_database_has_assertions_or_is_temporals_index() {
    for product in ALL {
        for described in product.databases().iter().filter(|described| described.name != "temporal-visibility") {
            assert!(!product.asserts(&described.name).is_empty(), "{}: {}", product.name, described.name);
        }
    }
}

#[test]
fn every_fixture_belongs_to_a_database_of_an_example() {
    let named = |product: Product| {
        product.databases().into_iter().map(move |described| format!("{}-{}.sql", product.name, described.name))
    };
    let expected: BTreeSet<_> = ALL.into_iter().flat_map(named).collect();
    let folder = lifeboat_tests::scratch::workspace().join("fixtures/products");
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
}
