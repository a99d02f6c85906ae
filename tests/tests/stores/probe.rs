//! `lifeboat store test`, with keys of every kind and stores of every honesty.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lifeboat_tests::proxy::Call;
use lifeboat_tests::servers::lookalikes::{BUCKET, Kind, Lookalike};
use lifeboat_tests::{Fault, Identity, Lifeboat, Major, Outcome, Proxy, Seaweed, When, fixtures, scratch};
use tempfile::TempDir;

use crate::stand::{Place, Stand, job};

fn store_test(place: &Place, arguments: &[&str]) -> Outcome {
    place.lifeboat().args(["store", "test", "--json"]).args(arguments).run()
}

fn answers(outcome: &Outcome) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = outcome.result()["probe"]["findings"].take();
    let findings = findings.as_array().unwrap().iter();
    findings.map(|found| (word(&found["behaviour"]), word(&found["answer"]))).collect()
}

fn answer(outcome: &Outcome, behaviour: &str) -> String {
    let found = answers(outcome).into_iter().find(|(name, _)| name == behaviour);
    found.unwrap_or_else(|| panic!("{behaviour} was not tried: {}", outcome.stdout)).1
}

fn seaweed(bucket: &str, identity: Identity) -> Place {
    Place::at(bucket.to_owned(), Seaweed::shared().environment(identity))
}

#[test]
fn a_key_that_may_do_everything_leaves_nothing_behind_and_touches_nothing() {
    let bucket = Seaweed::shared().bucket("probe");
    bucket.write("prod/backups/theirs", b"theirs".to_vec());
    let tested = store_test(&seaweed(&bucket.url("prod"), Identity::Admin), &[]).expect(0);
    for one in ["write", "checksum_crc64nvme", "create_only", "multipart", "abort", "read", "list", "delete"] {
        assert_eq!(answer(&tested, one), "ok", "{one}: {}", tested.stdout);
    }
    assert_eq!(bucket.objects().keys().collect::<Vec<_>>(), ["prod/backups/theirs"]);
    assert_eq!(bucket.read("prod/backups/theirs"), b"theirs");
    assert_eq!(bucket.open_uploads(), []);
    assert!(!tested.text().contains(Identity::Admin.secret_key()));
}

/// Who pays for what is stored reads it before, in either place.
#[test]
fn as_much_is_written_as_the_help_and_the_page_say() {
    let bucket = Seaweed::shared().bucket("probe");
    let proxy = Proxy::before(Seaweed::shared());
    store_test(&Place::at(bucket.url("prod"), proxy.environment(Identity::Admin)), &[]).expect(0);
    let written: u64 = proxy.calls().iter().filter(|call| call.method == "PUT").map(|call| call.request_bytes).sum();
    let about = format!("About {} MiB are written", written.div_ceil(1 << 20));
    let help = Lifeboat::new().args(["store", "test", "--help"]).run().expect(0).stdout;
    let page = std::fs::read_to_string(scratch::workspace().join("docs/stores.md")).unwrap();
    for text in [help, page] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&about), "{about} ({written} bytes) in {text}");
    }
}

/// The table on the page is made by the library; this is what an operator types.
#[test]
fn every_store_that_is_none_of_amazons_is_asked_by_the_program_too_and_left_empty() {
    for stand in [Stand::Folder, Stand::Rclone, Stand::S3s, Stand::Azure, Stand::Google] {
        let place = stand.place();
        let tested = store_test(&place, &[]).expect(0);
        for one in ["write", "multipart", "read", "list", "delete"] {
            assert_eq!(answer(&tested, one), "ok", "{stand:?}, {one}: {}", tested.stdout);
        }
        assert_eq!(tested.result()["probe"]["left"], serde_json::json!([]), "{stand:?}");
        let left = lifeboat_tests::run(async { place.store().list(&job(), "").await.unwrap() });
        assert_eq!((left, place.open_uploads()), (Vec::new(), Vec::new()), "{stand:?}");
    }
}

#[test]
fn a_key_that_may_only_write_is_good_for_backups() {
    let bucket = Seaweed::shared().bucket("probe");
    let place = seaweed(&bucket.url("prod"), Identity::Writer);
    let tested = store_test(&place, &[]).expect(0);
    for (one, said) in [("write", "ok"), ("multipart", "ok"), ("read", "denied"), ("list", "denied")] {
        assert_eq!(answer(&tested, one), said, "{one}: {}", tested.stdout);
    }
    // SeaweedFS counts deleting as writing: the expectation that finds this out is what it is for.
    let text = place.lifeboat().args(["store", "test", "--expect", "write-only"]).run().expect(40);
    assert!(text.stdout.contains("delete an object: ok, not denied"), "{}", text.stdout);
    assert!(text.stdout.contains("good for a host that only backs up"), "{}", text.stdout);
}

#[test]
fn a_key_that_may_not_delete_says_what_stays() {
    let bucket = Seaweed::shared().bucket("probe");
    let proxy = Proxy::before(Seaweed::shared());
    for operation in ["DeleteObject", "GetObject", "HeadObject", "ListObjects"] {
        proxy.on(When::operation(operation), Fault::ACCESS_DENIED);
    }
    let place = Place::at(bucket.url("prod"), proxy.environment(Identity::Admin));
    let tested = store_test(&place, &["--expect", "write-only"]).expect(0);
    let left = tested.result()["probe"]["left"].as_array().unwrap().len();
    assert_eq!(left, bucket.objects().len(), "{}", tested.stdout);
    assert!(left > 0 && bucket.objects().keys().all(|key| key.starts_with("prod/probe/")), "{left}");
}

#[test]
fn a_key_that_may_only_read_is_for_restores() {
    let bucket = Seaweed::shared().bucket("probe");
    bucket.write("prod/backups/theirs", b"theirs".to_vec());
    let tested = store_test(&seaweed(&bucket.url("prod"), Identity::Reader), &["--expect", "read-only"]).expect(0);
    assert_eq!(answer(&tested, "write"), "denied");
    assert_eq!(bucket.objects().len(), 1);
}

#[test]
fn an_unknown_key_and_a_missing_bucket_are_errors_and_no_findings() {
    let bucket = Seaweed::shared().bucket("probe");
    store_test(&seaweed(&bucket.url("prod"), Identity::Stranger), &[]).expect(78);
    let nowhere = store_test(&seaweed("s3://no-such-bucket-anywhere/prod", Identity::Admin), &[]).expect(10);
    assert!(nowhere.last_record()["error"].as_str().unwrap().contains("NoSuchBucket"), "{}", nowhere.stdout);
}

/// A configuration of nothing but the store's address and the lines that `store test` ends with.
fn as_advised(place: &Place, tested: &Outcome, folder: &TempDir) -> PathBuf {
    let lines: Vec<_> = tested.stdout.lines().skip_while(|line| !line.starts_with("For [store]")).skip(1).collect();
    let lines: Vec<_> = lines.iter().take_while(|line| !line.is_empty()).copied().collect();
    assert!(!lines.is_empty(), "nothing is advised: {}", tested.stdout);
    let file = folder.path().join("lifeboat.toml");
    std::fs::write(&file, format!("[store]\nurl = \"{}\"\n{}\n", place.url, lines.join("\n"))).unwrap();
    file
}

/// Backs up and verifies with a configuration.
fn backed_up(place: &Place, configuration: &Path) {
    let lifeboat = || Lifeboat::new().envs(place.environment.clone()).env("LIFEBOAT_CONFIG", configuration);
    lifeboat().arg("backup").of(&fixtures::small(Major::V15)).run().expect(0);
    lifeboat().args(["verify", "shop/latest"]).run().expect(0);
}

#[test]
fn a_store_that_looks_at_no_digest_is_sent_a_checksum() {
    let bucket = Seaweed::shared().bucket("probe");
    let proxy = Proxy::before(Seaweed::shared());
    let place = Place::at(bucket.url("prod"), proxy.environment(Identity::Admin));
    let tested = store_test(&place, &[]).expect(0);
    let calls = proxy.calls();
    let changed = calls.iter().find(|call| call.key().ends_with("/signed")).unwrap();
    assert_eq!(changed.header("x-amz-content-sha256").map(str::len), Some(64), "{changed:?}");
    assert_eq!(answer(&tested, "signed_payload"), "ignored");
    let advised = tested.result()["probe"]["settings"].take();
    assert_eq!((&advised[0]["key"], &advised[0]["value"]), (&"checksum".into(), &"\"crc64nvme\"".into()));
    let advised = place.lifeboat().args(["store", "test"]).env("LIFEBOAT_STORE_CHECKSUM", "crc64nvme").run().expect(0);
    assert!(advised.stdout.ends_with("The settings in [store] fit.\n"), "{}", advised.stdout);
    let decided = "  endpoint by AWS_ENDPOINT_URL\n";
    assert!(advised.stdout.contains(decided), "{}", advised.stdout);
    let parts = proxy.calls().into_iter().skip(calls.len()).filter(|call| call.operation() == "UploadPart");
    assert!(parts.collect::<Vec<_>>().iter().all(|call| call.header("x-amz-checksum-crc64nvme").is_some()));
}

#[test]
fn a_backup_with_the_advised_lines_proves_every_byte_that_it_writes() {
    let bucket = Seaweed::shared().bucket("probe");
    let (proxy, folder) = (Proxy::before(Seaweed::shared()), TempDir::new().unwrap());
    let place = Place::at(bucket.url("prod"), proxy.environment(Identity::Admin));
    let advised = as_advised(&place, &place.lifeboat().args(["store", "test"]).run().expect(0), &folder);
    proxy.forget_calls();
    backed_up(&place, &advised);
    let calls = proxy.calls();
    let writes: Vec<_> = calls.iter().filter(|call| ["PutObject", "UploadPart"].contains(&call.operation())).collect();
    assert!(!writes.is_empty() && writes.iter().all(|call| call.header("x-amz-checksum-crc64nvme").is_some()));
}

/// Such a store would seem to look at bytes that it does not look at, if they were sent by the name of what it has.
#[test]
fn a_store_that_lets_nothing_be_replaced_is_not_taken_for_one_that_looks_at_bytes() {
    let server = Lookalike::shared(Kind::Moto);
    let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let seen = Mutex::new(HashSet::new());
    let replaces =
        move |call: &Call| call.operation() == "PutObject" && !seen.lock().unwrap().insert(call.path.clone());
    proxy.on(When::call(replaces), Fault::ACCESS_DENIED);
    let place = Place::at(format!("s3://{}/prod", server.bucket()), proxy.environment(Identity::Admin));
    let tested = store_test(&place, &[]).expect(0);
    for checksum in ["checksum_crc64nvme", "checksum_sha256"] {
        assert_eq!(answer(&tested, checksum), "ignored", "{checksum}: {}", tested.stdout);
    }
    assert_eq!(tested.result()["probe"]["left"], serde_json::json!([]));
}

#[test]
fn open_uploads_are_found_under_a_prefix_that_xml_writes_in_its_own_way() {
    for stand in [Stand::Seaweed, Stand::Moto] {
        let place = stand.place();
        let place = Place::at(format!("{}/R&D'<2026>", place.url), place.environment);
        assert_eq!(answer(&store_test(&place, &[]).expect(0), "list_uploads"), "ok", "{stand:?}");
    }
}

#[test]
fn a_store_that_ignores_conditions_is_told_from_one_that_keeps_them() {
    assert_eq!(answer(&store_test(&Stand::Heedless.place(), &[]).expect(0), "create_only"), "ignored");
    assert_eq!(answer(&store_test(&Stand::Moto.place(), &[]).expect(0), "create_only"), "ok");
}

#[test]
fn what_a_store_refuses_is_advised_in_lines_that_the_configuration_takes() {
    let server = Lookalike::shared(Kind::Moto);
    let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let is_last = |call: &Call| call.query.contains(&("partNumber".into(), "10000".into()));
    proxy.on(When::call(is_last), Fault::Answer(400, "InvalidArgument"));
    proxy.on(
        When::call(|call| call.header("x-amz-checksum-crc64nvme").is_some()),
        Fault::Answer(400, "InvalidArgument"),
    );
    let place = Place::at(format!("s3://{BUCKET}/advised"), proxy.environment(Identity::Admin));
    let tested = place.lifeboat().args(["store", "test"]).env("LIFEBOAT_STORE_CHECKSUM", "none").run().expect(0);
    assert!(tested.stdout.contains("\nparts_max = 1000"), "{}", tested.stdout);
    let folder = TempDir::new().unwrap();
    let file = as_advised(&place, &tested, &folder);
    Lifeboat::new().args(["config", "show", "--config"]).arg(&file).run().expect(0);
    backed_up(&place, &file);
}

/// Too many requests are no refusal, of changed bytes as little as of an upload that is over.
#[test]
fn what_a_throttled_store_says_is_no_answer() {
    let bucket = Seaweed::shared().bucket("probe");
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.key().ends_with("/signed")), Fault::Answer(429, "TooManyRequests"));
    proxy.on(When::call(|call| call.key().ends_with("/sha256")), Fault::Answer(408, "RequestTimeout"));
    let first_part = |call: &Call| call.query.contains(&("partNumber".into(), "1".into()));
    let of_aborted = move |call: &Call| call.key().ends_with("/abandoned") && first_part(call);
    proxy.on(When::call(of_aborted), Fault::SLOW_DOWN);
    proxy.on(When::operation("AbortMultipartUpload").after(1).times(1), Fault::SLOW_DOWN);
    let place = Place::at(bucket.url("prod"), proxy.environment(Identity::Admin));
    let tested = store_test(&place, &[]).expect(0);
    for one in ["signed_payload", "checksum_sha256", "abort", "abort_again"] {
        assert_eq!(answer(&tested, one), "inconclusive", "{one}: {}", tested.stdout);
    }
    assert!(tested.stdout.contains("until then, leave the checksum as it is"), "{}", tested.stdout);
    assert_eq!((bucket.objects().len(), bucket.open_uploads()), (0, Vec::new()));
}

#[test]
fn in_a_bucket_that_keeps_versions_deleting_is_made_to_take_them_all() {
    let bucket = Seaweed::shared().bucket("probe");
    bucket.aws(&[
        "s3api",
        "put-bucket-versioning",
        "--bucket",
        &bucket.name,
        "--versioning-configuration",
        "Status=Enabled",
    ]);
    let versions = || {
        let listed = bucket.aws(&["s3api", "list-object-versions", "--bucket", &bucket.name]);
        let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap_or_default();
        let count = |name: &str| listed[name].as_array().map_or(0, Vec::len);
        (count("Versions"), count("DeleteMarkers"))
    };
    let place = seaweed(&bucket.url("a~b c"), Identity::Admin);
    let tested = store_test(&place, &[]).expect(0);
    assert_eq!(answer(&tested, "versioning"), "ok");
    assert_eq!((answer(&tested, "delete_frees"), answer(&tested, "delete_version")), ("ignored".into(), "ok".into()));
    let advised = tested.result()["probe"]["settings"].take();
    let advised = advised.as_array().unwrap().iter().find(|line| line["key"] == "deletes");
    assert_eq!(advised.unwrap()["value"], "\"versions\"");
    assert_eq!(versions(), (0, 0), "the probe left versions");

    for (deletes, left, has_marks) in [("names", 2, true), ("versions", 0, false)] {
        let store = place.store_with(&[("LIFEBOAT_STORE_DELETES", deletes)]);
        lifeboat_tests::run(async {
            store.put(&job(), "backups/x y", "first".into()).await.unwrap();
            store.put(&job(), "backups/x y", "second".into()).await.unwrap();
            for _ in 0..2 {
                store.delete(&job(), "backups/x y").await.unwrap();
            }
            assert_eq!(store.list(&job(), "backups").await.unwrap(), []);
        });
        let found = versions();
        assert_eq!((found.0, found.1 > 0), (left, has_marks), "{deletes}: {found:?}");
    }
}

#[test]
fn a_store_that_keeps_no_versions_takes_every_version_too() {
    let place = seaweed(&Seaweed::shared().bucket("probe").url("prod"), Identity::Admin);
    let store = place.store_with(&[("LIFEBOAT_STORE_DELETES", "versions")]);
    lifeboat_tests::run(async {
        store.put(&job(), "backups/x", "first".into()).await.unwrap();
        store.put(&job(), "backups/x.y", "another".into()).await.unwrap();
        store.delete(&job(), "backups/x").await.unwrap();
        let names: Vec<_> = store.list(&job(), "backups").await.unwrap().into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["backups/x.y"]);
    });
}

#[test]
fn a_clock_that_is_wrong_and_a_store_in_trouble_are_not_taken_for_answers() {
    let bucket = Seaweed::shared().bucket("probe");
    let proxy = Proxy::before(Seaweed::shared());
    let place = Place::at(bucket.url("prod"), proxy.environment(Identity::Admin));
    proxy.on(When::operation("UploadPart"), Fault::SLOW_DOWN);
    assert_eq!(answer(&store_test(&place, &[]).expect(0), "multipart"), "inconclusive");
    proxy.heal();
    proxy.on(When::any(), Fault::Ahead(400));
    let skewed = place.lifeboat().args(["store", "test"]).run().expect(0);
    assert!(skewed.stdout.contains(" s ahead of this host's: at 15 minutes"), "{}", skewed.stdout);
    proxy.heal();
    proxy.on(When::any(), Fault::CLOCK_SKEW);
    let skewed = store_test(&place, &[]).expect(78);
    assert!(skewed.last_record()["hint"].as_str().unwrap().contains("clock"), "{}", skewed.stdout);
}
