//! The way to the store: outages, limits, proxies, certificates of one's own, IPv6.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::servers::certificates::Certificates;
use lifeboat_tests::servers::tinyproxy::Tinyproxy;
use lifeboat_tests::session::wait_closely;
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Bucket, Identity, Lifeboat, PATIENCE, Proxy, Seaweed, run, unused_name};
use tempfile::TempDir;

use crate::world::{add_blobs, backup_command, hasty_store, lifeboat, proven_backups, several_tables};

/// The backups in the bucket, each proven, seen past everything that is tried here.
fn proven(bucket: &Bucket) -> usize {
    let store = hasty_store(&Seaweed::shared().endpoint(), bucket, "x", Identity::Admin);
    run(proven_backups(&store)).len()
}

/// Waits until the upload of a backup is under way.
fn until_parts_arrive(proxy: &Proxy) {
    let began = Instant::now();
    while !proxy.calls().iter().any(|call| call.operation() == "UploadPart") {
        assert!(began.elapsed() < PATIENCE, "no part arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_outage_is_waited_for_as_long_as_asked_while_the_database_is_kept() {
    let (database, bucket) = (several_tables("outage"), Seaweed::shared().bucket("outage"));
    add_blobs(&database, 40);
    // Shorter than the outage: sessions that wait for the store must not be taken for idle ones.
    for timeout in ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"] {
        database.psql(&format!("ALTER DATABASE {} SET {timeout} TO '3s'", database.name));
    }
    let proxy = Proxy::before(Seaweed::shared());
    proxy.limit_bytes_per_second(Some(20 << 20));
    let command = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Writer));
    let backup = command.args(["--retry-for", "20m", "--stall-timeout", "5s"]).spawn();
    until_parts_arrive(&proxy);
    proxy.unplug();
    // Rows are waited for, too: the server must not lose the sessions that send them.
    std::thread::sleep(Duration::from_secs(if long() { 600 } else { 8 }));
    assert!(backup.is_running(), "it gave up");
    proxy.limit_bytes_per_second(None);
    proxy.plug_in();
    let outcome = backup.wait().expect(0);
    assert!(outcome.stderr.contains("cannot be reached"), "{}", outcome.stderr);
    // A body in chunks is refused by Amazon and others.
    let calls = proxy.calls();
    assert!(calls.iter().any(|call| call.operation() == "CompleteMultipartUpload"));
    assert!(calls.iter().all(|call| call.header("transfer-encoding").is_none()), "{calls:?}");
    assert_eq!(proven(&bucket), 1);
}

/// In the middle of rows, with a database half made.
#[test]
fn an_outage_within_a_restore_is_waited_for_too() {
    let (database, bucket) = (several_tables("outage"), Seaweed::shared().bucket("outage"));
    add_blobs(&database, 40);
    backup_command(&database, &bucket, "x").run().expect(0);
    let (server, proxy) = (database.server, Proxy::before(Seaweed::shared()));
    proxy.limit_bytes_per_second(Some(10 << 20));
    let restored = server.adopt(&unused_name("outage_back"));
    let command = lifeboat("restore", &bucket, "x").latest_into(server, &restored.name).arg("--create");
    let restore = command.envs(proxy.environment(Identity::Reader)).env("LIFEBOAT_RETRY_FOR", "20m").spawn();
    let loads = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE starts_with(datname, '{}') AND query LIKE 'COPY%FROM STDIN%'",
        restored.name
    );
    wait_closely(&database, &loads);
    proxy.unplug();
    std::thread::sleep(Duration::from_secs(8));
    assert!(restore.is_running(), "it gave up");
    assert!(!server.has_database(&restored.name), "it was not in the middle");
    proxy.limit_bytes_per_second(None);
    proxy.plug_in();
    let outcome = restore.wait().expect(0);
    assert!(outcome.stderr.contains("cannot be reached"), "{}", outcome.stderr);
    assert_same(&database, &restored);
}

#[test]
fn an_outage_that_lasts_longer_ends_the_run() {
    let (database, bucket) = (several_tables("outage"), Seaweed::shared().bucket("outage"));
    add_blobs(&database, 40);
    let proxy = Proxy::before(Seaweed::shared());
    proxy.limit_bytes_per_second(Some(20 << 20));
    let command = backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Writer));
    let backup = command.env("LIFEBOAT_RETRY_FOR", "2s").spawn();
    until_parts_arrive(&proxy);
    proxy.unplug();
    let outcome = backup.wait().expect(75);
    assert!(outcome.stderr.contains("check that the store's endpoint is right and reachable"), "{}", outcome.stderr);
    assert_eq!(proven(&bucket), 0);
}

#[test]
fn no_more_bytes_move_in_a_second_than_the_bandwidth_allows() {
    let (database, bucket) = (several_tables("pace"), Seaweed::shared().bucket("pace"));
    add_blobs(&database, 6);
    let began = Instant::now();
    backup_command(&database, &bucket, "x").args(["--bandwidth", "2MiB/s"]).run().expect(0);
    let stored: u64 = bucket.objects().values().sum();
    let least = Duration::from_secs_f64((stored - (1 << 20)) as f64 / f64::from(2 << 20));
    assert!(began.elapsed() >= least, "{stored} bytes went in {:?}", began.elapsed());
    // Nor when they come back.
    let began = Instant::now();
    lifeboat("verify", &bucket, "x").arg("shop/latest").env("LIFEBOAT_BANDWIDTH", "2MiB/s").run().expect(0);
    assert!(began.elapsed() >= least, "{stored} bytes came in {:?}", began.elapsed());
}

/// `lifeboat list` with this text in `[store]`.
fn list_with(folder: &Path, bucket: &Bucket, endpoint: &str, more: &str) -> Lifeboat {
    verb_with("list", Identity::Reader, folder, bucket, endpoint, more)
}

fn verb_with(verb: &str, identity: Identity, folder: &Path, bucket: &Bucket, endpoint: &str, more: &str) -> Lifeboat {
    let file = folder.join("lifeboat.toml");
    let url = bucket.url("x");
    fs::write(&file, format!("[store]\nurl = \"{url}\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n{more}\n"))
        .unwrap();
    Lifeboat::new()
        .env("AWS_ACCESS_KEY_ID", identity.access_key())
        .env("AWS_SECRET_ACCESS_KEY", identity.secret_key())
        .args([verb.as_ref(), "--config".as_ref(), file.as_os_str()])
}

#[test]
fn a_proxy_sees_every_request_and_its_password_is_told_to_nobody_else() {
    let (bucket, folder) = (Seaweed::shared().bucket("proxied"), TempDir::new().unwrap());
    let proxy = Proxy::before(Seaweed::shared());
    let url = proxy.endpoint().replace("//", "//me:canary-proxy-5ab1@");
    // Nobody else could reach this endpoint: it has no such name.
    let endpoint = format!("http://localhost.:{}", Seaweed::shared().port());
    let more = "allow_http = true\nproxy = \"env:PROXY\"";
    let listed = list_with(folder.path(), &bucket, &endpoint, more).env("PROXY", url).arg("-vvv").run().expect(NOTHING);
    let calls = proxy.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.header("proxy-authorization").is_some()), "{calls:?}");
    assert!(!format!("{}{}", listed.stdout, listed.stderr).contains("canary-proxy"), "{}", listed.stderr);
}

#[test]
fn the_proxy_of_the_environment_counts_as_for_every_other_program() {
    let (bucket, proxy) = (Seaweed::shared().bucket("proxied"), Proxy::before(Seaweed::shared()));
    let listing = || lifeboat("list", &bucket, "x").env("HTTP_PROXY", proxy.endpoint());
    listing().run().expect(NOTHING);
    let seen = proxy.calls().len();
    assert!(seen > 0, "nothing went through the proxy");
    listing().env("NO_PROXY", "127.0.0.1").run().expect(NOTHING);
    assert_eq!(proxy.calls().len(), seen);
    // Where nobody is, the store may be there all the same.
    proxy.unplug();
    let unreachable = listing().env("LIFEBOAT_RETRY_FOR", "1s").run().expect(75);
    assert!(unreachable.stderr.contains("[store] proxy, HTTP_PROXY or ALL_PROXY"), "{}", unreachable.stderr);
}

#[test]
fn a_certificate_of_ones_own_authority_is_trusted_when_it_is_named() {
    let (bucket, folder) = (Seaweed::shared().bucket("authority"), TempDir::new().unwrap());
    let certificates = Certificates::of_this_checkout();
    let endpoint = Seaweed::shared().https_endpoint();
    let ca = |path: &Path| format!("ca = \"{}\"", path.display());
    list_with(folder.path(), &bucket, &endpoint, &ca(&certificates.authority)).run().expect(NOTHING);
    for more in [String::new(), ca(&certificates.stranger)] {
        let refused = list_with(folder.path(), &bucket, &endpoint, &more).run().expect(78);
        assert!(refused.stderr.contains("name the authority of its certificate in [store] ca"), "{}", refused.stderr);
    }
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    let refused = list_with(folder.path(), &bucket, &endpoint, &ca(&empty)).run().expect(78);
    assert!(refused.stderr.contains("holds no certificate"), "{}", refused.stderr);
}

/// As when a server is called by its address, and its certificate is of its name.
#[test]
fn a_certificate_of_another_name_is_refused_and_both_names_are_told() {
    let (bucket, folder) = (Seaweed::shared().bucket("names"), TempDir::new().unwrap());
    let ca = format!("ca = \"{}\"", Certificates::of_this_checkout().authority.display());
    let endpoint = Seaweed::shared().https_endpoint().replace("localhost", "127.0.0.1");
    let refused = list_with(folder.path(), &bucket, &endpoint, &ca).run().expect(78);
    let told = [
        "certificate not valid for name \"127.0.0.1\"; certificate is only valid for \"localhost\"",
        "let the endpoint name a host",
    ];
    for words in told {
        assert!(refused.stderr.contains(words), "{words} in {}", refused.stderr);
    }
}

/// As in a company: out through its proxy alone, to a store whose certificate its own authority signed.
#[test]
fn a_store_behind_a_proxy_and_a_certificate_of_ones_own_is_written_and_read() {
    let (database, bucket, folder) =
        (several_tables("tunnel"), Seaweed::shared().bucket("tunnel"), TempDir::new().unwrap());
    let (proxy, ca) = (Tinyproxy::start(), Certificates::of_this_checkout().authority);
    let endpoint = Seaweed::shared().https_endpoint();
    let settings = |ca: &Path| format!("ca = \"{}\"\nproxy = \"env:WAY_OUT\"", ca.display());
    let run = |verb, identity, ca, password| {
        verb_with(verb, identity, folder.path(), &bucket, &endpoint, &settings(ca)).env("WAY_OUT", proxy.url(password))
    };
    let known = Tinyproxy::PASSWORD;
    run("backup", Identity::Writer, &ca, known).of(&database).run().expect(0);
    run("verify", Identity::Reader, &ca, known).arg("shop/latest").run().expect(0);
    assert_eq!(proven(&bucket), 1);
    let place = endpoint.trim_start_matches("https://");
    assert!(proxy.ways_to(place) >= 2, "it went another way");

    let refused = run("list", Identity::Reader, &ca, "guessed").env("LIFEBOAT_RETRY_FOR", "1s").run().expect(75);
    assert!(refused.stderr.contains("the proxy opens no way to the store"), "{}", refused.stderr);
    let nobody = proxy.url(known).replace(&format!("me:{known}@"), "");
    let refused = run("list", Identity::Reader, &ca, known).env("WAY_OUT", nobody).run().expect(78);
    assert!(refused.stderr.contains("give the proxy's user and password"), "{}", refused.stderr);
    let stranger = Certificates::of_this_checkout().stranger;
    let refused = run("list", Identity::Reader, &stranger, known).run().expect(78);
    assert!(refused.stderr.contains("name the authority of its certificate in [store] ca"), "{}", refused.stderr);
    let listed = run("list", Identity::Reader, &ca, known).arg("-vvv").run().expect(0);
    assert!(!listed.text().contains(known), "{}", listed.text());
}

#[test]
fn a_store_is_reached_by_ipv6() {
    let (database, bucket) = (several_tables("six"), Seaweed::shared().bucket("six"));
    let proxy = Proxy::before_on(Seaweed::shared(), "[::1]:0");
    assert!(proxy.endpoint().starts_with("http://[::1]:"));
    backup_command(&database, &bucket, "x").envs(proxy.environment(Identity::Writer)).run().expect(0);
    assert_eq!(proven(&bucket), 1);
}

/// How `list` ends where nothing is: the way there worked.
const NOTHING: i32 = 10;
