//! A store in which drills are recorded that nobody ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lifeboat_core::codec::Sha256;
use lifeboat_core::drill::{DrillStart, Verdict};
use lifeboat_core::keys::SealKeys;
use lifeboat_core::store::layout::MANIFEST;
use lifeboat_core::store::{Store, create};
use lifeboat_drill::DrillReport;
use lifeboat_drill::record::Recorder;
use lifeboat_tests::keyring::{self, NOVEMBER, SIGNER};
use lifeboat_tests::servers::installation::in_venv;
use lifeboat_tests::{Depot, Lifeboat, made, run};

/// A store with a made backup of the database `shop`, and drills of it.
pub(crate) struct Recorded {
    pub(crate) depot: Depot,
    pub(crate) seal: Option<Arc<SealKeys>>,
}

impl Recorded {
    /// Nothing is sealed, in a bucket.
    pub(crate) fn open() -> Recorded {
        Recorded::of(Depot::s3(), None)
    }

    /// Backup and drills are sealed and signed, in a folder.
    pub(crate) fn sealed() -> Recorded {
        let seal = keyring::ring(&[NOVEMBER, SIGNER]).seal_keys(&[]).unwrap();
        let mut depot = Depot::file();
        let reference = keyring::written(&depot.path(""), &[NOVEMBER, SIGNER]);
        depot.environment.push(("LIFEBOAT_KEYRING", reference));
        Recorded::of(depot, Some(Arc::new(seal)))
    }

    pub(crate) fn of(depot: Depot, seal: Option<Arc<SealKeys>>) -> Recorded {
        let recorded = Recorded { depot, seal };
        run(made::backup(&recorded.store(), &made::path(0), &made::SMALLEST, recorded.seal.as_deref())).unwrap();
        recorded
    }

    pub(crate) fn store(&self) -> Store {
        let environment = self.depot.environment.iter();
        let environment: BTreeMap<_, _> =
            environment.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        create(&self.depot.url.parse().unwrap(), &environment).unwrap()
    }

    /// The example's report, as if of a drill of the made backup that began so many months after it.
    pub(crate) fn report(&self, months: i64, verdict: Verdict) -> DrillReport {
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

    pub(crate) fn record(&self, report: &DrillReport) {
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

    pub(crate) fn drill(&self, verb: &str) -> Lifeboat {
        self.depot.lifeboat("drill").arg(verb)
    }

    pub(crate) fn shown(&self, form: &str) -> String {
        self.drill("show").args(["shop/latest", "--form", form]).run().expect(0).stdout
    }

    /// A form of the latest drill, in a file.
    pub(crate) fn written(&self, form: &str) -> PathBuf {
        let path = self.depot.path(&format!("latest.{form}"));
        fs::write(&path, self.shown(form)).unwrap();
        path
    }

    /// An object of the latest drill's folder.
    pub(crate) fn object(&self, report: &DrillReport, name: &str) -> PathBuf {
        self.depot.path(&format!("prod/drills/shop/{}/{name}", report.drill))
    }
}

fn example() -> DrillReport {
    serde_json::from_str(include_str!("../../../docs/schema/drill-report.example.json")).unwrap()
}

/// Runs a program in Python; gives what it prints.
#[track_caller]
pub(crate) fn python(program: &str, arguments: &[&Path]) -> String {
    let output = Command::new(in_venv("bin/python")).args(["-c", program]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
