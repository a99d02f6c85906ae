//! Reports that are sealed with the keys of the backups.

use std::fs;

use lifeboat_core::drill::Verdict;
use lifeboat_tests::keyring::{self, DECEMBER, NOVEMBER};

use crate::recorded::Recorded;

#[test]
fn a_sealed_report_opens_with_the_keyring_alone() {
    let recorded = Recorded::sealed();
    let report = recorded.report(1, Verdict::Passed);
    recorded.record(&report);
    assert!(recorded.shown("text").contains("PASSED: the drill of shop"));
    let other = keyring::written(&recorded.depot.path(""), &[keyring::OTHER_NOVEMBER]);
    recorded.drill("show").arg("shop/latest").env("LIFEBOAT_KEYRING", &other).run().expect(12);
    // The list needs no key.
    let listed = recorded.drill("list").env("LIFEBOAT_KEYRING", &other).run().expect(0).stdout;
    assert!(listed.contains("passed"), "{listed}");
    let sealed = fs::read(recorded.object(&report, "report.json.sealed")).unwrap();
    let damaged: Vec<u8> =
        sealed.iter().enumerate().map(|(at, byte)| if at == 80 { byte ^ 1 } else { *byte }).collect();
    fs::write(recorded.object(&report, "report.json.sealed"), damaged).unwrap();
    recorded.drill("show").arg("shop/latest").run().expect(30);
}

#[test]
fn a_sealed_report_follows_the_backups_to_a_new_key() {
    let recorded = Recorded::sealed();
    recorded.record(&recorded.report(1, Verdict::Passed));
    let rotate = |verb: &str, entries: &[&str]| {
        let keyring = keyring::written(&recorded.depot.path(""), entries);
        recorded.depot.lifeboat("rotate").args(["backups", verb]).env("LIFEBOAT_KEYRING", keyring)
    };
    let enabled = NOVEMBER.replace("state = \"primary\"\n", "");
    let both = [enabled.as_str(), DECEMBER];
    rotate("rewrap", &both).run().expect(0);
    let status = rotate("status", &both).arg("--json").run().expect(0).result();
    assert_eq!(
        status["report"]["keys"]["2026-12"],
        serde_json::json!({"backups": 1, "only_wrap_of": 0, "runs": 1, "unfinished": 0})
    );
    rotate("retire", &both).args(["--from", "2026-11", "--yes", "--force"]).run().expect(0);
    let december = keyring::written(&recorded.depot.path(""), &[DECEMBER]);
    let shown = recorded.drill("show").arg("shop/latest").env("LIFEBOAT_KEYRING", december).run().expect(0);
    assert!(shown.stdout.contains("PASSED"), "{}", shown.stdout);
}
