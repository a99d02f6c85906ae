//! Stores that refuse: each told apart, by exit code and by what the operator does about it.

use lifeboat_tests::proxy::Call;
use lifeboat_tests::{Database, Fault, Identity, Lifeboat, Outcome, Proxy, Seaweed, When};

use crate::world::{of, several_tables};

fn backup_at(endpoint: &str, identity: Identity, url: &str, database: &Database<'_>) -> Outcome {
    let environment = identity.environment(endpoint);
    of(Lifeboat::new().envs(environment).args(["backup", "--store", url]), database).run()
}

/// What a backup says when every answer of the store is this one.
fn answered(fault: Fault, code: i32) -> String {
    let server = Seaweed::shared();
    let (bucket, proxy) = (server.bucket("refusals"), Proxy::before(server));
    proxy.on(When::any(), fault);
    let database = several_tables("refusals");
    let outcome = backup_at(&proxy.endpoint(), Identity::Admin, &bucket.url("x"), &database).expect(code);
    assert!(bucket.objects().is_empty());
    outcome.stderr
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_bucket_that_is_missing_is_exit_10() {
    let database = several_tables("refusals");
    let endpoint = Seaweed::shared().endpoint();
    let outcome = backup_at(&endpoint, Identity::Admin, "s3://no-such-bucket-here/x", &database).expect(10);
    says(&outcome.stderr, &["NoSuchBucket", "create the bucket"]);
}

#[test]
fn a_key_that_may_not_write_is_exit_78() {
    let database = several_tables("refusals");
    let bucket = Seaweed::shared().bucket("refusals");
    let endpoint = Seaweed::shared().endpoint();
    let outcome = backup_at(&endpoint, Identity::Reader, &bucket.url("x"), &database).expect(78);
    says(&outcome.stderr, &["AccessDenied", "give the key the right"]);
}

#[test]
fn a_key_that_is_unknown_and_a_secret_that_is_wrong_are_exit_78() {
    let database = several_tables("refusals");
    let bucket = Seaweed::shared().bucket("refusals");
    let endpoint = Seaweed::shared().endpoint();
    let outcome = backup_at(&endpoint, Identity::Stranger, &bucket.url("x"), &database).expect(78);
    says(&outcome.stderr, &["correct the access key id"]);
    let wrong = Lifeboat::new().envs(Identity::Admin.environment(&endpoint)).env("AWS_SECRET_ACCESS_KEY", "wrong");
    let outcome = of(wrong.args(["backup", "--store", &bucket.url("x")]), &database).run().expect(78);
    says(&outcome.stderr, &["SignatureDoesNotMatch", "correct the secret access key"]);
}

#[test]
fn a_wrong_clock_and_a_wrong_region_are_told() {
    says(&answered(Fault::CLOCK_SKEW, 78), &["RequestTimeTooSkewed", "set this host's clock"]);
    says(&answered(Fault::WRONG_REGION, 78), &["AuthorizationHeaderMalformed", "correct the region"]);
    says(&answered(Fault::Answer(301, "PermanentRedirect"), 78), &["correct the region"]);
}

#[test]
fn an_endpoint_that_is_down_is_exit_75() {
    let proxy = Proxy::before(Seaweed::shared());
    proxy.unplug();
    let database = several_tables("refusals");
    let outcome = backup_at(&proxy.endpoint(), Identity::Admin, "s3://anything/x", &database).expect(75);
    says(&outcome.stderr, &["endpoint is right and reachable"]);
}

/// Whether there is anything beside runs, such a key cannot tell.
#[test]
fn a_key_that_may_list_runs_alone_is_told_that_there_are_none() {
    let (bucket, proxy) = (Seaweed::shared().bucket("refusals"), Proxy::before(Seaweed::shared()));
    let lists_others = |call: &Call| call.query.iter().any(|(name, of)| name == "prefix" && !of.contains("runs"));
    proxy.on(When::call(lists_others), Fault::ACCESS_DENIED);
    let runs = || Lifeboat::new().envs(proxy.environment(Identity::Admin)).args(["runs", "--store", &bucket.url("x")]);
    let outcome = runs().run().expect(0);
    says(&outcome.stdout, &["no runs in"]);
    proxy.heal();
    says(&runs().run().expect(10).stdout, &["nothing of Lifeboat's is in"]);
}
