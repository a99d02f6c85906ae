//! Each product's databases are backed up and drilled, with the assertions of its example.

use lifeboat_tests::Outcome;
use serde_json::Value;

use crate::products::{BRIVEN, CULLIS, DAOFLOW, IDENTITY_GOVERNANCE, PILOT, Product};
use crate::stage::Stage;

/// As it is, every assertion passes; after the mishap, the one that is about it fails, and no other.
fn assertions_know_whole_data_from_broken(product: Product) {
    let stage = Stage::of(product);
    stage.lifeboat(&["backup"]).run().expect(0);
    for described in product.databases() {
        let drilled = stage.lifeboat(&["drill", "run", &format!("{}/latest", described.name)]).run().expect(0);
        assert_eq!(verdict(&drilled), "passed", "{}: {}", described.name, drilled.text());
        let checks = checks(&drilled);
        for assert in product.asserts(&described.name) {
            let name = format!("assert {assert}");
            assert!(checks.contains(&(name.clone(), "passed".to_owned())), "{name}: {checks:?}");
        }
    }

    let mishap = product.mishap;
    stage.sql(mishap.database, mishap.sql);
    stage.lifeboat(&["backup", mishap.database]).run().expect(0);
    let drilled = stage.lifeboat(&["drill", "run", &format!("{}/latest", mishap.database)]).run().expect(31);
    assert_eq!(verdict(&drilled), "failed", "{}", drilled.text());
    let failed = checks(&drilled).into_iter().filter(|(_, outcome)| outcome != "passed");
    // Where the mishap is to encrypted values, these do not open.
    let failed = failed.filter(|(name, _)| name != "encrypted columns").collect::<Vec<_>>();
    assert_eq!(failed, [(format!("assert {}", mishap.assert), "failed".to_owned())], "{}", drilled.text());
}

fn verdict(drilled: &Outcome) -> String {
    drilled.result()["verdict"].as_str().unwrap_or_default().to_owned()
}

/// Every check, and how it ended.
fn checks(drilled: &Outcome) -> Vec<(String, String)> {
    let report = drilled.result()["report"].take();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("no checks: {report}"));
    checks.iter().map(|check| (text(check, "name"), text(check, "outcome"))).collect()
}

#[test]
fn assertions_of_briven_know_whole_data_from_broken() {
    assertions_know_whole_data_from_broken(BRIVEN);
}

#[test]
fn assertions_of_cullis_know_whole_data_from_broken() {
    assertions_know_whole_data_from_broken(CULLIS);
}

#[test]
fn assertions_of_pilot_know_whole_data_from_broken() {
    assertions_know_whole_data_from_broken(PILOT);
}

#[test]
fn assertions_of_identity_governance_know_whole_data_from_broken() {
    assertions_know_whole_data_from_broken(IDENTITY_GOVERNANCE);
}

#[test]
fn assertions_of_daoflow_know_whole_data_from_broken() {
    assertions_know_whole_data_from_broken(DAOFLOW);
}
