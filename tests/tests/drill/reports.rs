//! What drills leave in a store, and every form in which it is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::codec::Sha256;
use lifeboat_core::drill::{DrillStart, Verdict};
use lifeboat_core::keys::SealKeys;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_core::store::{Store, create};
use lifeboat_drill::DrillReport;
use lifeboat_drill::record::Recorder;
use lifeboat_drill::report::FoundBackup;
use lifeboat_tests::browser::Browser;
use lifeboat_tests::keyring::{self, DECEMBER, NOVEMBER, SIGNER, STRANGER};
use lifeboat_tests::servers::installation::in_venv;
use lifeboat_tests::{Depot, Identity, Lifeboat, Seaweed, made, run};
use serde_json::Value;

/// A store with a made backup of the database `shop`, and drills of it.
struct Recorded {
    depot: Depot,
    seal: Option<Arc<SealKeys>>,
}

impl Recorded {
    /// Nothing is sealed, in a bucket.
    fn open() -> Recorded {
        Recorded::of(Depot::s3(), None)
    }

    /// Backup and drills are sealed and signed, in a folder.
    fn sealed() -> Recorded {
        let seal = keyring::ring(&[NOVEMBER, SIGNER]).seal_keys(&[]).unwrap();
        let mut depot = Depot::file();
        let reference = keyring::written(&depot.path(""), &[NOVEMBER, SIGNER]);
        depot.environment.push(("LIFEBOAT_KEYRING", reference));
        Recorded::of(depot, Some(Arc::new(seal)))
    }

    fn of(depot: Depot, seal: Option<Arc<SealKeys>>) -> Recorded {
        let recorded = Recorded { depot, seal };
        run(made::backup(&recorded.store(), &made::path(0), &made::SMALLEST, recorded.seal.as_deref())).unwrap();
        recorded
    }

    fn store(&self) -> Store {
        let environment = self.depot.environment.iter();
        let environment: BTreeMap<_, _> =
            environment.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        create(&self.depot.url.parse().unwrap(), &environment).unwrap()
    }

    /// The example's report, as if of a drill of the made backup that began so many months after it.
    fn report(&self, months: i64, verdict: Verdict) -> DrillReport {
        let (path, mut report) = (made::path(0), example());
        let started = path.id.start() + jiff::SignedDuration::from_hours(24 * 30 * months + 2);
        report.drill = lifeboat_core::DrillId::new(started, [1, 2, 3]);
        report.verdict = verdict;
        (report.started, report.finished) = (started, started + jiff::SignedDuration::from_secs(110));
        let manifest = run(self.store().get(&made::job(), &path.object(MANIFEST))).unwrap();
        let backup = report.backup.as_mut().unwrap();
        backup.id = path.id;
        backup.encrypted = self.seal.is_some();
        backup.manifest_sha256 = Sha256::of(&manifest).to_string();
        backup.stored_bytes += (months as u64) << 24;
        report.rto.seconds = report.rto.seconds.map(|seconds| seconds + months as f64 * 5.0);
        report
    }

    fn record(&self, report: &DrillReport) {
        let start = DrillStart {
            format: 1,
            tool: report.tool.clone(),
            drill: report.drill.clone(),
            run: report.run.clone(),
            database: report.database.clone(),
            started: report.started,
        };
        let (store, job) = (self.store(), made::job());
        run(async {
            let recorder = Recorder::begin(start, &store, self.seal.clone(), &job).await.unwrap();
            recorder.end(report, &job).await.unwrap();
        });
    }

    fn drill(&self, verb: &str) -> Lifeboat {
        self.depot.lifeboat("drill").arg(verb)
    }

    fn shown(&self, form: &str) -> String {
        self.drill("show").args(["shop/latest", "--form", form]).run().expect(0).stdout
    }

    /// A form of the latest drill, in a file.
    fn written(&self, form: &str) -> PathBuf {
        let path = self.depot.path(&format!("latest.{form}"));
        fs::write(&path, self.shown(form)).unwrap();
        path
    }

    /// An object of the latest drill's folder.
    fn object(&self, report: &DrillReport, name: &str) -> PathBuf {
        self.depot.path(&format!("prod/drills/shop/{}/{name}", report.drill))
    }
}

fn example() -> DrillReport {
    serde_json::from_str(include_str!("../../../docs/schema/drill-report.example.json")).unwrap()
}

/// Runs a program in Python; gives what it prints.
#[track_caller]
fn python(program: &str, arguments: &[&Path]) -> String {
    let output = Command::new(in_venv("bin/python")).args(["-c", program]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn drills_are_listed_and_their_backups_are_proven() {
    let recorded = Recorded::open();
    let listed = |expected: &str| {
        let text = recorded.depot.lifeboat("list").run().expect(0).stdout;
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains(expected), "{text}");
    };
    assert!(recorded.drill("list").run().expect(0).stdout.starts_with("no drills in s3://"));
    let failed = recorded.report(1, Verdict::Failed);
    recorded.record(&failed);
    listed(" FAILED ");
    let json = recorded.depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(json["backups"][0]["failed_drill"]["drill"], failed.drill.as_str(), "{json}");
    assert!(json["backups"][0]["proven"].is_null(), "{json}");
    let passed = recorded.report(2, Verdict::Passed);
    recorded.record(&passed);
    listed(" ago, in part  available");
    let json = recorded.depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(json["backups"][0]["proven"]["drill"], passed.drill.as_str(), "{json}");
    assert!(json["backups"][0]["failed_drill"].is_null(), "{json}");

    let text = recorded.drill("list").run().expect(0).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].contains("passed") && lines[1].contains("1m 24s") && lines[2].contains("failed"), "{text}");
    assert!(recorded.drill("list").arg("crm").run().expect(0).stdout.starts_with("no drills of crm"));
    let reader = recorded.drill("list").envs(Seaweed::shared().environment(Identity::Reader));
    assert_eq!(reader.run().expect(0).stdout, text, "a key that only reads is enough");
}

#[test]
fn a_list_of_backups_does_not_fail_for_a_record_of_a_drill() {
    let recorded = Recorded::sealed();
    let report = recorded.report(1, Verdict::Passed);
    recorded.record(&report);
    fs::write(recorded.depot.path(&format!("prod/drills/shop/{}.end.json", report.drill)), "{").unwrap();
    let outcome = recorded.depot.lifeboat("list").run().expect(0);
    assert!(outcome.stdout.lines().nth(1).unwrap().contains("-       available"), "{}", outcome.stdout);
    let listed = recorded.drill("list").run().expect(0).stdout;
    assert!(listed.contains("unreadable"), "{listed}");
}

#[test]
fn a_report_is_shown_in_every_form_and_validates_where_there_is_a_schema() {
    let recorded = Recorded::open();
    let report = recorded.report(1, Verdict::Failed);
    recorded.record(&report);
    let stored = recorded.depot.read(&format!("prod/drills/shop/{}/report.json", report.drill));
    assert_eq!(recorded.shown("json").as_bytes(), stored);
    let told = recorded.drill("show").args(["shop/latest", "--json"]).run().expect(0).result();
    assert_eq!(told["report"], serde_json::from_slice::<Value>(&stored).unwrap());
    for (form, said) in [
        ("text", "FAILED: the drill of shop"),
        ("markdown", "## 2026-01-31: drill of shop: failed"),
        ("junit", "<testsuite "),
        ("html", "<!DOCTYPE html>"),
    ] {
        assert!(recorded.shown(form).contains(said), "{form}");
    }
    recorded.drill("show").args(["shop/latest", "--form", "evidence"]).run().expect(10);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/drill-report.json");
    python(VALIDATE, &[&schema, &recorded.written("json")]);
    let refused = DrillReport {
        backup: None,
        not_opened: Some(FoundBackup { id: made::path(0).id, class: made::path(0).class }),
        ..recorded.report(2, Verdict::Inconclusive)
    };
    let named = recorded.depot.path("not-opened.json");
    fs::write(&named, refused.to_json().unwrap()).unwrap();
    python(VALIDATE, &[&schema, &named]);
    let counted = python(COUNT_TESTS, &[&recorded.written("junit")]);
    assert_eq!(counted.trim(), "restore passed, rows Failure, catalog passed, assert orders-are-recent Error");
}

const VALIDATE: &str = "
import json, sys, jsonschema
schema, report = (json.load(open(path)) for path in sys.argv[1:])
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)
validator.validate(report)
for key in set(report) - {'not_opened'}:
    assert list(validator.iter_errors({k: v for k, v in report.items() if k != key})), key
report['drill'] = 'latest'
assert list(validator.iter_errors(report))
";
const COUNT_TESTS: &str = "
import sys, junitparser
suite, = junitparser.JUnitXml.fromfile(sys.argv[1])
cases = list(suite)
assert suite.tests == len(cases), suite.tests
assert suite.failures == sum(isinstance(r, junitparser.Failure) for c in cases for r in c.result)
assert suite.errors == sum(isinstance(r, junitparser.Error) for c in cases for r in c.result)
print(', '.join(f'{c.name} {type(c.result[0]).__name__ if c.result else \"passed\"}' for c in cases))
";

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

#[test]
fn the_page_stands_alone_and_fits_every_window() {
    let recorded = Recorded::open();
    for months in 1..=13 {
        let verdict = [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive][[0, 0, 0, 1, 0, 0, 2][months % 7]];
        recorded.record(&recorded.report(months as i64, verdict));
    }
    let mut last = recorded.report(14, Verdict::Failed);
    last.tables[0].name = "a_table_with_a_name_as_long_as_postgres_allows_for_its_identifiers".to_owned();
    last.checks[0].findings.push(format!("public.{}: changed", "unbroken".repeat(40)));
    recorded.record(&last);
    let page = recorded.written("html");
    let mut browser = Browser::start();
    for (width, scheme) in [(1280, "light"), (400, "dark"), (400, "light")] {
        let asked = browser.show(&page, width, scheme);
        assert_eq!(asked, Vec::<String>::new());
        keep(&browser.picture(), &format!("drill-{width}-{scheme}.png"));
        assert_eq!(browser.evaluate(OVERFLOWING), Value::Array(Vec::new()), "{width} {scheme}");
        let text = browser.evaluate("document.body.innerText");
        for said in
            ["failed", "Drill of shop", "within the target of 2h 00m", "public.orders: 1 row is missing", "History"]
        {
            assert!(text.as_str().unwrap().contains(said), "{said} is not in {text}");
        }
        let faint = browser.evaluate(FAINT);
        assert_eq!(faint, Value::Array(Vec::new()), "{width} {scheme}");
    }
    assert_eq!(browser.evaluate("document.querySelectorAll('svg rect.passed').length"), 2 * 9);
}

/// What stands out of the window, except in a table that scrolls by itself.
const OVERFLOWING: &str = "
[...document.querySelectorAll('body, body *')]
    .filter(element => !element.closest('table') && element.getBoundingClientRect().right > innerWidth + 0.5)
    .concat(document.documentElement.scrollWidth > innerWidth ? [document.documentElement] : [])
    .map(element => element.outerHTML.slice(0, 200))";

/// Text whose contrast is below 4.5 : 1.
const FAINT: &str = "
(() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
            .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour != 'rgba(0, 0, 0, 0)' ? colour : behind(element.parentElement);
    };
    return [...document.querySelectorAll('main *, footer')]
        .filter(element => !element.closest('svg') && [...element.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
        .filter(element => {
            const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
            return (a + 0.05) / (b + 0.05) < 4.5;
        })
        .map(element => element.outerHTML.slice(0, 120));
})()";

/// For people to look at: under the target folder.
fn keep(picture: &[u8], name: &str) {
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).unwrap();
}

#[test]
fn a_start_without_an_end_is_a_drill_that_was_lost() {
    let recorded = Recorded::sealed();
    let report = recorded.report(1, Verdict::Passed);
    recorded.record(&report);
    fs::remove_file(recorded.depot.path(&format!("prod/drills/shop/{}.end.json", report.drill))).unwrap();
    let listed = recorded.drill("list").run().expect(0).stdout;
    assert!(listed.lines().nth(1).unwrap().contains("lost"), "{listed}");
    assert!(report.started < Timestamp::now());
    let backups = recorded.depot.lifeboat("list").run().expect(0).stdout;
    assert!(backups.lines().nth(1).unwrap().contains("-       available"), "{backups}");
}
