//! Two retires that each delete the wrap which the other leaves, at the worst moment.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{Store, layout};
use lifeboat_rotate::backups::{RetireOptions, RotateOptions, apply_retire, plan_retire};
use lifeboat_tests::{made, run};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// A store in which every deletion meets another one, of `other`, and a signal.
#[derive(Debug)]
struct Crossing {
    objects: Arc<InMemory>,
    other: Path,
    signal: CancellationToken,
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("crossing")
    }
}

#[async_trait]
impl ObjectStore for Crossing {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (objects, other, signal) = (Arc::clone(&self.objects), self.other.clone(), self.signal.clone());
        let crossed = async move {
            signal.cancel();
            objects.delete(&other).await.unwrap();
            objects.delete_stream(paths)
        };
        stream::once(crossed).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[test]
fn a_retire_that_is_cancelled_puts_its_wrap_back_when_the_other_one_vanished() {
    let world = World::new();
    let objects = Arc::new(InMemory::new());
    let wrap = |id: &str| made::path(0).object(&layout::wrap(&id.parse().unwrap()));
    let signal = CancellationToken::new();
    let other = Path::from(wrap("new"));
    let crossing = Crossing { objects: Arc::clone(&objects), other, signal: signal.clone() };
    let plain = Store::new(objects.clone(), objects.clone(), Path::default(), "memory");
    let stores = [Store::new(Arc::new(crossing), objects, Path::default(), "memory")];
    let rotate = RotateOptions { cancel: signal.clone(), ..RotateOptions::default() };
    let key = |id: &str| id.parse().unwrap();
    let options = RetireOptions { rotate, ..RetireOptions::new(key("old"), None, vec![key("new")]) };
    let (both, opens) = (world.seal(&["old", "new"]), world.opens(&["old", "new"]));
    run(async {
        made::backup(&plain, &made::path(0), &made::LENGTHS, Some(&both)).await.unwrap();
        let plan = plan_retire(&stores, &opens, &options, Arc::new(Silent)).await.unwrap();
        assert_eq!(plan.delete.len(), 1);
        let summary = apply_retire(&stores, &plan, &options, Arc::new(Silent)).await.unwrap();
        assert_eq!((summary.deleted, summary.failed.count), (0, 1));
        assert!(summary.failed.first[0].error.contains("and it was put back"), "{:?}", summary.failed);
        assert!(signal.is_cancelled());
        assert_eq!(made::proven(&plain, &world.opens(&["old"])).await.len(), 1);
    });
}
