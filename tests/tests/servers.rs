//! The tests' own tools work: every server starts and answers, faults are faults, and the oracle sees differences.

use std::time::{Duration, Instant};

use lifeboat_tests::compare::{assert_same, assert_same_but_settings, contents};
use lifeboat_tests::docker::Docker;
use lifeboat_tests::servers::certificates::Certificates;
use lifeboat_tests::servers::postgres::{Options, PASSWORD, TLS_ROLE};
use lifeboat_tests::session::Held;
use lifeboat_tests::{Database, Fault, Identity, Major, Postgres, Proxy, Seaweed, When, fixtures};

fn copied_with_stock_tools<'s>(from: &Database<'_>, to: &'s Postgres) -> Database<'s> {
    let copy = to.database("copy");
    let output = copy.feed(&from.pg_dump(&[]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    copy
}

fn status_of(url: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30"])
        .args(arguments)
        .arg(url)
        .output()
        .expect("run curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_hard_database_survives_stock_tools_on_15() {
    let hard = fixtures::hard(Major::V15);
    let copy = copied_with_stock_tools(&hard, hard.server);
    assert_same_but_settings(&hard, &copy);
}

#[test]
fn the_hard_database_survives_stock_tools_on_18() {
    let hard = fixtures::hard(Major::V18);
    let copy = copied_with_stock_tools(&hard, hard.server);
    assert_same_but_settings(&hard, &copy);
}

#[test]
fn the_hard_database_survives_stock_tools_from_15_to_18() {
    let hard = fixtures::hard(Major::V15);
    let newer = Postgres::shared(Major::V18);
    let copy = copied_with_stock_tools(&hard, newer);
    assert_same_but_settings(&hard, &copy);
}

#[test]
fn the_small_shop_is_the_same_everywhere() {
    let [old, new] = Major::ALL.map(fixtures::small);
    assert_same(&old, &new);
    assert_eq!(old.psql("SELECT count(*) FROM items"), "24000");
}

#[test]
#[should_panic(expected = "orders")]
fn the_oracle_sees_one_changed_row() {
    let [one, other] = [Major::V18, Major::V18].map(fixtures::small);
    other.psql("ALTER TABLE orders DISABLE TRIGGER ALL; UPDATE orders SET note = 'x' WHERE id = (SELECT min(id::text)::uuid FROM orders); ALTER TABLE orders ENABLE TRIGGER ALL");
    assert_same(&one, &other);
}

#[test]
fn the_oracle_reads_what_no_table_holds() {
    let found = contents(&fixtures::hard(Major::V18));
    assert!(found["large object 900001"].starts_with("5600000 "), "{found:?}");
    assert!(found["large object 900002"].starts_with("0 "));
    assert_eq!(found["S public.sequence_at_its_end"], "9223372036854775807 t");
    assert!(found["r public.no_columns"].starts_with("3 "));
}

#[test]
fn a_server_of_ones_own_ends_with_its_value() {
    let server = Postgres::start(Major::V15, &Options::default());
    let pid = server.pid();
    assert_eq!(server.psql("postgres", "SELECT 1"), "1");
    drop(server);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_held_session_is_not_taken_for_another_that_holds_something() {
    let database = Postgres::shared(Major::V18).database("held");
    let _other = Held::new(&database, "BEGIN");
    let _held = Held::new(&database, "BEGIN; SELECT pg_sleep(1); CREATE TABLE t (a int)");
    let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_ne!(database.psql(locks), "0", "its statements are not done");
}

#[test]
fn a_server_with_tls_proves_its_name() {
    let server = Postgres::start(Major::V15, &Options { tls: true, ..Options::default() });
    let certificates = Certificates::of_this_checkout();
    let connect = |host: &str, mode: &str, authority: &std::path::Path| {
        let mut psql = server.client("psql", "postgres");
        let to = format!(
            "host={host} hostaddr=127.0.0.1 user={TLS_ROLE} sslmode={mode} sslrootcert={}",
            authority.display()
        );
        psql.args(["-X", "-d", &to, "-c", "SELECT 1"]).env("PGPASSWORD", PASSWORD).output().unwrap().status.success()
    };
    assert!(connect("localhost", "verify-full", &certificates.authority));
    assert!(!connect("127.0.0.1", "verify-full", &certificates.authority));
    assert!(connect("127.0.0.1", "verify-ca", &certificates.authority));
    assert!(!connect("localhost", "verify-ca", &certificates.stranger));
    assert!(!connect("localhost", "disable", &certificates.authority));
}

#[test]
fn the_bucket_holds_what_is_written_and_only_what_may_be() {
    let bucket = Seaweed::shared().bucket("contract");
    bucket.write("a/b.txt", b"hello".to_vec());
    bucket.damage("a/b.txt", |bytes| bytes[0] ^= 1);
    assert_eq!(bucket.read("a/b.txt"), b"iello");
    assert_eq!(bucket.fetch_with_aws("a/b.txt"), b"iello");
    assert_eq!(bucket.objects().into_iter().collect::<Vec<_>>(), [("a/b.txt".to_owned(), 5)]);
    bucket.aws(&["s3api", "create-multipart-upload", "--bucket", &bucket.name, "--key", "open"]);
    assert_eq!(bucket.open_uploads()[0].key, "open");
}

#[test]
fn a_writer_can_do_nothing_but_write() {
    let server = Seaweed::shared();
    let bucket = server.bucket("writer");
    bucket.write("present", b"x".to_vec());
    let aws = |identity: Identity, arguments: &[&str]| {
        let aws = lifeboat_tests::servers::installation::in_venv("bin/aws");
        let mut command = std::process::Command::new(aws);
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(server.environment(identity)).args(arguments);
        command.output().unwrap().status.success()
    };
    let (put, get) = (["s3", "cp", "/etc/hostname"], ["s3", "cp"]);
    let (url, list) = (bucket.url("new"), bucket.url(""));
    assert!(aws(Identity::Writer, &[put[0], put[1], put[2], &url]));
    assert!(!aws(Identity::Writer, &[get[0], get[1], &bucket.url("present"), "-"]));
    assert!(!aws(Identity::Writer, &["s3", "ls", &list]));
    assert!(aws(Identity::Reader, &["s3", "ls", &list]));
    assert!(!aws(Identity::Reader, &[put[0], put[1], put[2], &url]));
    assert!(!aws(Identity::Stranger, &["s3", "ls", &list]));
}

#[test]
fn the_proxy_does_to_calls_what_it_was_told() {
    let server = Seaweed::shared();
    let bucket = server.bucket("proxy");
    bucket.write("object", vec![b'x'; 300_000]);
    let proxy = Proxy::before(server);
    let through = lifeboat_tests::Bucket::new(proxy.endpoint(), bucket.name.clone());

    assert_eq!(through.read("object").len(), 300_000);
    assert_eq!(proxy.operations(), ["GetObject"]);
    assert_eq!(proxy.calls()[0].response_bytes, 300_000);

    proxy.on(When::operation("GetObject").times(1), Fault::CutResponse(1000));
    proxy.on(When::operation("GetObject").times(1), Fault::FlipResponse(7));
    proxy.on(When::operation("PutObject").times(1), Fault::LoseAnswer);
    proxy.on(When::operation("PutObject").times(1), Fault::CutRequest(10));
    proxy.on(When::operation("PutObject").times(2), Fault::SLOW_DOWN);
    // The client asks for the rest after the cut, and that answer is the flipped one.
    assert_eq!(through.read("object").iter().filter(|byte| **byte != b'x').count(), 1);
    through.write("written", vec![b'y'; 100_000]);
    assert_eq!(bucket.read("written").len(), 100_000);
    let puts: Vec<_> = proxy.calls().into_iter().filter(|call| call.operation() == "PutObject").collect();
    let outcome: Vec<_> = puts.iter().map(|call| (call.status, call.request_bytes)).collect();
    assert_eq!(outcome, [(Some(200), 100_000), (None, 10), (Some(503), 0), (Some(503), 0), (Some(200), 100_000)]);
}

#[test]
fn the_proxy_can_be_slow_gone_and_silent() {
    let proxy = Proxy::before(Seaweed::shared());
    let url = format!("{}/x", proxy.endpoint());
    assert_eq!(status_of(&url, &[]), "403");
    proxy.unplug();
    assert_eq!(status_of(&url, &[]), "000");
    proxy.plug_in();
    assert_eq!(status_of(&url, &[]), "403");
    proxy.on(When::any().times(1), Fault::Delay(Duration::from_millis(300)));
    let began = Instant::now();
    assert_eq!(status_of(&url, &[]), "403");
    assert!(began.elapsed() >= Duration::from_millis(300));
    proxy.on(When::any(), Fault::Hang);
    assert_eq!(status_of(&url, &["--max-time", "1"]), "000");
}

#[test]
fn the_stand_in_docker_hides_the_callers_environment() {
    let server = Postgres::shared(Major::V18);
    let shop = fixtures::small(Major::V18);
    let docker = Docker::with(server);
    let output = std::process::Command::new(docker.program())
        .args(["exec", "-i", "db", "pg_dump", "--schema-only", &shop.name])
        .env("PGPASSWORD", "must not get in")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("CREATE TABLE public.orders"));
    assert_eq!(docker.calls(), [format!("exec -i db pg_dump --schema-only {}", shop.name)]);
    assert!(!docker.environments().contains("must not get in"));
    let refused = std::process::Command::new(docker.program()).args(["exec", "other", "true"]).status().unwrap();
    assert_eq!(refused.code(), Some(1));
}
