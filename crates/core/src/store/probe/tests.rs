use std::sync::Arc;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tokio_util::sync::CancellationToken;

use super::{Answer, Behaviour, Probe, ProbeReport};
use crate::error::Kind;
use crate::job::Job;
use crate::monitor::Silent;
use crate::store::{Network, Store};

fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

async fn probed(store: Store) -> ProbeReport {
    Probe::of(store).run(Timestamp::now(), &job()).await.unwrap()
}

fn answers(report: &ProbeReport) -> Vec<(Behaviour, Answer)> {
    report.findings.iter().map(|finding| (finding.behaviour, finding.answer)).collect()
}

#[tokio::test]
async fn a_probe_leaves_everything_as_it_was() {
    let memory = Arc::new(InMemory::new());
    memory.put(&Path::from("prod/backups/x"), "theirs".into()).await.unwrap();
    let report = probed(Store::new(memory.clone(), memory.clone(), "prod", "memory")).await;
    assert_eq!((report.left.len(), report.uploads_left), (0, 0), "{report:?}");
    let listed: Vec<_> = memory.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(listed, ["prod/backups/x"]);
}

#[tokio::test]
async fn memory_and_a_folder_do_all_that_can_be_asked_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display()).parse().unwrap();
    let memory = Arc::new(InMemory::new());
    let of_folder = Probe::open(&url, &Default::default(), &Network::default()).unwrap();
    for probe in [Probe::of(Store::new(memory.clone(), memory, "", "memory")), of_folder] {
        let report = probe.run(Timestamp::now(), &job()).await.unwrap();
        let is_fine =
            |(behaviour, answer): &(Behaviour, Answer)| *answer == Answer::Ok || *behaviour == Behaviour::CompleteAgain;
        assert!(answers(&report).iter().all(is_fine), "{report:?}");
        assert_eq!(answers(&report).len(), 11, "{report:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_cancelled_probe_cleans_up() {
    let memory = Arc::new(InMemory::new());
    let job = job();
    job.cancel.cancel();
    let store = Store::new(memory.clone(), memory.clone(), "", "memory");
    let error = Probe::of(store).run(Timestamp::now(), &job).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(memory.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}
