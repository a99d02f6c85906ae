use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore as _, ObjectStoreExt as _, PutPayload, PutResult, Result as StoreResult};
use tokio_util::sync::CancellationToken;

use super::{Answer, Behaviour, Made, Probe, ProbeReport};
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
    assert!(report.left.is_empty() && report.uploads_left.is_empty() && !report.left_unclear, "{report:?}");
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
        let is_fine = |(behaviour, answer): &(Behaviour, Answer)| {
            *answer == Answer::Ok || [Behaviour::CompleteAgain, Behaviour::AbortAgain].contains(behaviour)
        };
        assert!(answers(&report).iter().all(is_fine), "{report:?}");
        assert_eq!(answers(&report).len(), 12, "{report:?}");
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

/// A store that never answers when an upload is to be aborted.
struct NeverAborts(Arc<InMemory>);

#[async_trait]
impl MultipartStore for NeverAborts {
    async fn create_multipart(&self, path: &Path) -> StoreResult<MultipartId> {
        self.0.create_multipart(path).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> StoreResult<PartId> {
        self.0.put_part(path, id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> StoreResult<PutResult> {
        self.0.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, _: &Path, _: &MultipartId) -> StoreResult<()> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_could_not_be_taken_away_in_time_is_told_by_its_key() {
    let memory = Arc::new(InMemory::new());
    let (left, written) = (Path::from("probe/x/left"), Path::from("probe/x/written"));
    memory.put(&written, "ours".into()).await.unwrap();
    let id = memory.create_multipart(&left).await.unwrap();
    let store = Store::new(memory.clone(), Arc::new(NeverAborts(memory.clone())), "", "memory");
    let made = Made { written: [written].into(), open: vec![(left, id)], ..Made::default() };
    let left = made.clean(&store, Duration::from_millis(100)).await;
    assert_eq!((left.objects, left.uploads, left.unclear), (Vec::new(), vec!["probe/x/left".to_owned()], true));
    assert!(memory.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}
