//! What a host signs of a drill.

use std::fs;
use std::path::Path;
use std::process::Command;

use lifeboat_core::drill::Verdict;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_drill::DrillReport;
use lifeboat_tests::keyring::{self, SIGNER, STRANGER};
use lifeboat_tests::{Lifeboat, made};

use crate::recorded::{Recorded, python};

#[test]
fn evidence_is_believed_of_trusted_signers_alone_and_ends_with_the_verdict() {
    let recorded = Recorded::sealed();
    for (months, verdict, code) in [(1, Verdict::Passed, 0), (2, Verdict::Failed, 31), (3, Verdict::Inconclusive, 32)] {
        recorded.record(&recorded.report(months, verdict));
        let outcome = recorded.drill("verify-evidence").arg("shop/latest").run().expect(code);
        for said in ["the report is the one", "the backup's manifest in the store is the one", verdict.name()] {
            assert!(outcome.stdout.contains(said), "{}", outcome.stdout);
        }
        let envelope = recorded.written("evidence");
        recorded.drill("verify-evidence").arg(&envelope).run().expect(code);
    }
    let envelope = recorded.written("evidence");
    // No store and no keyring are needed for a file, only whom to believe.
    let alone = |signer: &str| {
        Lifeboat::new().args(["drill", "verify-evidence", "--signer", signer]).arg(&envelope).run().code()
    };
    assert_eq!(alone(&keyring::public(SIGNER)), 32);
    assert_eq!(alone(&keyring::public(STRANGER)), 40);
    Lifeboat::new().args(["drill", "verify-evidence"]).arg(&envelope).run().expect(78);
}

#[test]
fn evidence_of_another_report_or_backup_is_refused() {
    let recorded = Recorded::sealed();
    let (first, second) = (recorded.report(1, Verdict::Failed), recorded.report(2, Verdict::Passed));
    recorded.record(&first);
    recorded.record(&second);
    let verify = || recorded.drill("verify-evidence").arg("shop/latest").run();
    // The whole folder of another drill is put into the place of this one.
    let folder = |report: &DrillReport| recorded.depot.path(&format!("prod/drills/shop/{}", report.drill));
    let aside = recorded.depot.path("aside");
    fs::rename(folder(&second), &aside).unwrap();
    fs::create_dir(folder(&second)).unwrap();
    let copied = Command::new("cp").arg("-r").arg(folder(&first).join(".")).arg(folder(&second)).status().unwrap();
    assert!(copied.success());
    assert_ne!(verify().code(), 0);
    fs::remove_dir_all(folder(&second)).unwrap();
    fs::rename(&aside, folder(&second)).unwrap();
    verify().expect(0);
    let BackupPath { class, database, id } = made::path(0);
    let manifest = recorded.depot.path(&format!("prod/backups/{class}/{database}/{id}/{MANIFEST}"));
    let evidence = recorded.written("evidence");
    let with =
        |manifest: &Path| recorded.drill("verify-evidence").arg(&evidence).arg("--manifest").arg(manifest).run().code();
    assert_eq!(with(&manifest), 0);
    fs::write(&manifest, "{}").unwrap();
    assert_eq!(with(&manifest), 30);
    let replaced = verify().expect(30).stderr;
    assert!(replaced.contains("hint: somebody replaced it since"), "{replaced}");
    fs::remove_file(&manifest).unwrap();
    assert!(verify().expect(0).stdout.contains("not in the store any more"));
}

#[test]
fn other_tools_verify_our_evidence_and_we_verify_theirs() {
    let recorded = Recorded::sealed();
    recorded.record(&recorded.report(1, Verdict::Passed));
    let (evidence, folder) = (recorded.written("evidence"), recorded.depot.path(""));
    let pem = folder.join("host.pem");
    fs::write(&pem, recorded.depot.lifeboat("key").args(["signer", "--pem"]).run().expect(0).stdout).unwrap();
    let seed = folder.join("seed");
    fs::write(&seed, SIGNER.split("secret = \"").nth(1).unwrap().split('"').next().unwrap()).unwrap();
    let theirs = folder.join("theirs.json");
    let BackupPath { class, database, id } = made::path(0);
    let manifest = folder.join(format!("prod/backups/{class}/{database}/{id}/{MANIFEST}"));
    python(EVIDENCE, &[&pem, &evidence, &manifest, &seed, &theirs]);
    recorded.drill("verify-evidence").arg(&theirs).run().expect(0);
}

const EVIDENCE: &str = include_str!("evidence.py");
