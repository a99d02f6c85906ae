//! A fault at every call of a backup, a verify and a restore: it succeeds and is whole, or fails and says so.

use std::time::Duration;

use lifeboat_core::store::{RetryPolicy, Store};
use lifeboat_core::{Error, Kind};
use lifeboat_tests::proxy::Call;
use lifeboat_tests::sweep::{Dice, long};
use lifeboat_tests::{Bucket, Database, Fault, Identity, Major, Postgres, Proxy, Seaweed, When, run, unused_name};
use tempfile::TempDir;

use crate::world::{
    add_blobs, back_up, backup_command, hasty, hasty_store, proven_backups, restore, several_tables, verify,
};

/// What may happen to one call of a backup.
const UPLOAD_FAULTS: [Fault; 6] = [
    Fault::Reset,
    Fault::CutRequest(20),
    Fault::INTERNAL_ERROR,
    Fault::SLOW_DOWN,
    Fault::LoseAnswer,
    Fault::CutResponse(0),
];

/// Those that no call survives for ever: the answer to a PUT has no body to be cut.
const LASTING_FAULTS: &[Fault] = UPLOAD_FAULTS.split_at(5).0;

/// What may happen to one call of a reader.
const DOWNLOAD_FAULTS: [Fault; 5] =
    [Fault::Reset, Fault::CutResponse(20), Fault::INTERNAL_ERROR, Fault::SLOW_DOWN, Fault::LoseAnswer];

/// One way from the product to the server, and one around the faults.
struct Route {
    proxy: Proxy,
    through: Store,
    direct: Store,
    state: TempDir,
}

impl Route {
    fn new(bucket: &Bucket, prefix: &str) -> Route {
        let server = Seaweed::shared();
        let proxy = Proxy::before(server);
        let through = hasty_store(&proxy.endpoint(), bucket, prefix, Identity::Admin);
        let direct = hasty_store(&server.endpoint(), bucket, prefix, Identity::Admin);
        Route { proxy, through, direct, state: TempDir::new().unwrap() }
    }
}

/// A database small enough for a sweep, with objects of one part and of several.
fn database(prefix: &str) -> Database<'static> {
    let database = several_tables(prefix);
    add_blobs(&database, 6);
    database
}

/// The calls of a backup that nothing disturbs.
async fn calls_of_a_backup(database: &Database<'_>, bucket: &Bucket) -> Vec<Call> {
    let route = Route::new(bucket, "undisturbed");
    back_up(database, &route.through, route.state.path()).await.unwrap();
    assert_eq!(proven_backups(&route.direct).await.len(), 1);
    route.proxy.calls()
}

/// Some faults for each call; all of them in a long run.
fn sample(calls: usize, faults: &[Fault], each: usize, dice: &mut Dice) -> Vec<(usize, Fault)> {
    let each = if long() { faults.len() } else { each };
    let first = dice.below(faults.len() as u64) as usize;
    let of_call = |call: usize| (0..each).map(move |n| (call, faults[(first + call * each + n) % faults.len()]));
    (0..calls).flat_map(of_call).collect()
}

fn is_told(error: &Error) -> bool {
    [Kind::TryAgain, Kind::Integrity, Kind::Failure].contains(&error.kind())
}

#[test]
fn one_fault_at_any_call_of_a_backup_is_survived() {
    let (database, bucket) = (database("once"), Seaweed::shared().bucket("once"));
    let mut dice = Dice::new("one_fault_at_any_call_of_a_backup_is_survived");
    let lost_creates = run(async {
        let mut lost_creates = 0;
        let calls = calls_of_a_backup(&database, &bucket).await;
        for operation in ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
            assert!(calls.iter().any(|call| call.operation() == operation), "{operation} is among the calls");
        }
        for (number, fault) in sample(calls.len(), &UPLOAD_FAULTS, 1, &mut dice) {
            let route = Route::new(&bucket, &format!("{number}-{}", dice.below(u64::MAX)));
            route.proxy.on(When::number(number), fault);
            let done = back_up(&database, &route.through, route.state.path()).await;
            let call = format!("{fault:?} at {} {}", calls[number].operation(), calls[number].key());
            let id = done.unwrap_or_else(|error| panic!("{call}: {error:?}")).id;
            assert_eq!(proven_backups(&route.direct).await, [format!("shop/{id}")], "{call}");
            let is_create = route.proxy.calls()[number].operation() == "CreateMultipartUpload";
            let is_lost = matches!(fault, Fault::LoseAnswer | Fault::CutResponse(_) | Fault::CutRequest(_));
            lost_creates += usize::from(is_create && is_lost);
        }
        lost_creates
    });
    // A lost answer to CreateMultipartUpload leaves an upload that nobody knows the id of; no other does.
    let left = bucket.open_uploads();
    assert!(left.len() <= lost_creates, "{lost_creates} answers were lost: {left:?}");
}

#[test]
fn a_store_that_goes_away_at_any_call_leaves_no_half_backup() {
    let (database, bucket) = (database("away"), Seaweed::shared().bucket("away"));
    let mut dice = Dice::new("a_store_that_goes_away_at_any_call_leaves_no_half_backup");
    run(async {
        let calls = calls_of_a_backup(&database, &bucket).await;
        for (number, fault) in sample(calls.len(), LASTING_FAULTS, 1, &mut dice) {
            let route = Route::new(&bucket, &format!("{number}-{}", dice.below(u64::MAX)));
            route.proxy.on(When::call(move |call| call.number >= number), fault);
            let done = back_up(&database, &route.through, route.state.path()).await;
            let operation = (calls[number].operation(), calls[number].key());
            let left = proven_backups(&route.direct).await;
            match done {
                // The record of the run's end is for readers: a backup is one without it.
                Ok(summary) => {
                    assert!(calls[number].key().ends_with(".end.json"), "{fault:?} at {operation:?} went unnoticed");
                    assert_eq!(left, [format!("shop/{}", summary.id)]);
                }
                Err(error) => {
                    assert!(is_told(&error), "{fault:?} at {operation:?}: {error:?}");
                    // When the answer to the manifest is lost, nobody can know; what is there was proven above.
                    let unknown = calls[number].key().ends_with("manifest.json") && fault == Fault::LoseAnswer;
                    assert!(left.is_empty() || unknown, "{fault:?} at {operation:?}: {left:?}");
                }
            }
        }
    });
}

#[test]
fn an_overloaded_store_is_waited_for() {
    let (database, bucket) = (database("patient"), Seaweed::shared().bucket("patient"));
    run(async {
        let route = Route::new(&bucket, "x");
        let patient = RetryPolicy { give_up_after: Duration::from_secs(20), ..hasty() };
        route.proxy.on(When::any().after(4).lasting(Duration::from_secs(3)), Fault::SLOW_DOWN);
        back_up(&database, &route.through.clone().with_retry(patient), route.state.path()).await.unwrap();
        assert_eq!(proven_backups(&route.direct).await.len(), 1);
        let refused = route.proxy.calls().iter().filter(|call| call.status == Some(503)).count();
        assert!(refused > 5, "{refused} calls were refused");
    });
}

/// Credentials that are being renewed, or a server of the store that does not know the key yet.
#[test]
fn a_refusal_of_what_the_store_took_before_is_asked_about_once_more() {
    let (database, bucket) = (several_tables("refused"), Seaweed::shared().bucket("refused"));
    add_blobs(&database, 30);
    // Three parts are on their way at once: with the fourth one of them is there.
    run(async {
        for (operation, after) in [("UploadPart", 3), ("PutObject", 2)] {
            let route = Route::new(&bucket, operation);
            route.proxy.on(When::operation(operation).after(after).times(1), Fault::ACCESS_DENIED);
            back_up(&database, &route.through, route.state.path()).await.unwrap();
            assert_eq!(proven_backups(&route.direct).await.len(), 1);
        }
        let route = Route::new(&bucket, "lasting");
        route.proxy.on(When::operation("UploadPart").after(3), Fault::ACCESS_DENIED);
        let error = back_up(&database, &route.through, route.state.path()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{error:?}");
        assert!(proven_backups(&route.direct).await.is_empty());
    });
}

#[test]
fn a_connection_cut_inside_a_part_is_survived() {
    let (database, bucket) = (database("part"), Seaweed::shared().bucket("part"));
    run(async {
        let route = Route::new(&bucket, "x");
        route.proxy.on(When::operation("UploadPart").times(4), Fault::CutRequest(100_000));
        back_up(&database, &route.through, route.state.path()).await.unwrap();
        assert_eq!(proven_backups(&route.direct).await.len(), 1);
        let cut = |call: &&Call| call.operation() == "UploadPart" && call.status.is_none();
        assert_eq!(route.proxy.calls().iter().filter(cut).count(), 4);
    });
    assert_eq!(bucket.open_uploads(), []);
}

#[test]
fn a_lost_answer_to_complete_is_survived_by_who_may_read_and_told_to_who_may_not() {
    let (database, bucket) = (database("complete"), Seaweed::shared().bucket("complete"));
    let lose = |proxy: &Proxy| {
        proxy.on(When::operation("CompleteMultipartUpload").times(1), Fault::LoseAnswer);
        // As Amazon answers who asks again; this server completes it once more.
        proxy.on(When::operation("CompleteMultipartUpload").times(1), Fault::Answer(404, "NoSuchUpload"));
    };
    run(async {
        let route = Route::new(&bucket, "reader");
        lose(&route.proxy);
        back_up(&database, &route.through, route.state.path()).await.unwrap();
        assert_eq!(proven_backups(&route.direct).await.len(), 1);

        let route = Route::new(&bucket, "writer");
        let writer = hasty_store(&route.proxy.endpoint(), &bucket, "writer", Identity::Writer);
        lose(&route.proxy);
        let error = back_up(&database, &writer, route.state.path()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TryAgain, "{error:?}");
        assert_eq!(error.help(), Some("run the backup again"));
        assert!(proven_backups(&route.direct).await.is_empty());
    });
}

#[test]
fn a_lost_answer_to_create_is_survived_and_the_upload_that_may_be_left_is_told() {
    let (database, bucket) = (several_tables("create"), Seaweed::shared().bucket("create"));
    add_blobs(&database, 18);
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("CreateMultipartUpload").times(1), Fault::LoseAnswer);
    let backup = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Writer)).run().expect(0);
    let warned = "the store did not answer 1 of the calls that begin the upload of backups/daily/shop/";
    assert!(backup.stderr.contains(warned), "{}", backup.stderr);
    assert!(backup.stderr.contains("AbortIncompleteMultipartUpload"), "{}", backup.stderr);
    assert_eq!(bucket.open_uploads().len(), 1);
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);
    assert_eq!(run(proven_backups(&store)).len(), 1);
}

#[test]
fn a_clock_that_is_off_is_told_at_once_and_with_what_to_do() {
    let (database, bucket) = (several_tables("clock"), Seaweed::shared().bucket("clock"));
    let proxy = Proxy::before(Seaweed::shared());
    let backup = || backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Writer));
    assert!(!backup().run().expect(0).stderr.contains("host's clock"));
    proxy.on(When::any(), Fault::Ahead(20 * 60));
    let refused = backup().run().expect(78);
    assert!(!refused.stderr.contains("will be repeated"), "{}", refused.stderr);
    assert!(refused.stderr.contains("set this host's clock: it differs from the store's"), "{}", refused.stderr);
    let told = |stderr: &str, seconds: std::ops::Range<u32>| {
        seconds
            .into_iter()
            .any(|far| stderr.contains(&format!("this host's clock is {far} s behind the store's: set it")))
    };
    assert!(told(&refused.stderr, 1195..1206), "{}", refused.stderr);
    proxy.heal();
    proxy.on(When::any(), Fault::Ahead(-10 * 60));
    let taken = backup().run().expect(0);
    assert!(taken.stderr.contains(" s ahead of the store's: set it"), "{}", taken.stderr);
}

#[test]
fn a_fault_at_any_call_of_a_verify_is_survived() {
    readers(5, |route, name| {
        Box::pin(async move {
            verify(&route.through, &name).await.map(|_| ())?;
            Ok(())
        })
    });
}

#[test]
fn a_fault_at_any_call_of_a_restore_is_survived_and_leaves_one_database() {
    readers(1, |route, name| {
        Box::pin(async move {
            let target = unused_name("target");
            let done = restore(&route.through, &name, &target).await;
            let server = Postgres::shared(Major::V15);
            assert_eq!(server.databases_like(&target), if done.is_ok() { target.as_str() } else { "" });
            server.drop_databases_like(&target);
            done.map(|_| ())
        })
    });
}

type Reading<'a> = std::pin::Pin<Box<dyn Future<Output = lifeboat_core::Result<()>> + Send + 'a>>;

/// Sweeps over the calls of a reader: each fault alone is survived; bytes that differ and objects that were replaced are
/// refused as damage; a store that goes away is told.
fn readers(each: usize, read: impl for<'a> Fn(&'a Route, String) -> Reading<'a> + Sync) {
    let (database, bucket) = (several_tables("readers"), Seaweed::shared().bucket("readers"));
    let mut dice = Dice::new("readers");
    run(async {
        let route = Route::new(&bucket, "x");
        let id = back_up(&database, &route.direct, route.state.path()).await.unwrap().id;
        let name = format!("shop/{id}");
        read(&route, name.clone()).await.unwrap();
        let calls = route.proxy.calls();
        assert!(calls.len() >= 3, "{calls:?}");
        for (number, fault) in sample(calls.len(), &DOWNLOAD_FAULTS, each, &mut dice) {
            let route = Route::new(&bucket, "x");
            route.proxy.on(When::number(number), fault);
            let call = format!("{fault:?} at {} {}", calls[number].operation(), calls[number].key());
            read(&route, name.clone()).await.unwrap_or_else(|error| panic!("{call}: {error:?}"));
        }
        let gets = calls.iter().filter(|call| call.operation() == "GetObject");
        let (first, last) = (1, gets.clone().count());
        for position in if long() { (first..=last).collect() } else { vec![first, first + 1, last] } {
            let flips = [Fault::FlipResponse(30), Fault::Answer(412, "PreconditionFailed")];
            for (fault, kinds) in flips
                .iter()
                .map(|fault| (*fault, &[Kind::Integrity][..]))
                .chain([(Fault::SLOW_DOWN, &[Kind::TryAgain][..]), (Fault::CutResponse(20), &[Kind::TryAgain][..])])
            {
                let route = Route::new(&bucket, "x");
                route.proxy.on(When::operation("GetObject").after(position - 1), fault);
                let error = read(&route, name.clone()).await.expect_err(&format!("{fault:?} from GET {position} on"));
                assert!(kinds.contains(&error.kind()), "{fault:?} from GET {position} on: {error:?}");
            }
        }
    });
}
