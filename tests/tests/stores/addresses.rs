//! Addresses of other kinds than S3's own.

use lifeboat_tests::proxy::Call;
use lifeboat_tests::{Identity, Lifeboat, Major, Proxy, Seaweed, fixtures};

#[test]
fn a_store_of_b2_takes_b2s_key_and_looks_at_no_variable_of_amazon() {
    let (shop, bucket) = (fixtures::small(Major::V15), Seaweed::shared().bucket("b2"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lifeboat.toml");
    let url = format!("b2://{}/prod?region=us-east-1", bucket.name);
    let endpoint = Seaweed::shared().endpoint();
    std::fs::write(&file, format!("[store]\nurl = \"{url}\"\nendpoint = \"{endpoint}\"\nallow_http = true\n")).unwrap();
    let lifeboat = || {
        Lifeboat::new()
            .env("LIFEBOAT_CONFIG", &file)
            .envs(Identity::Stranger.environment("https://amazon.invalid"))
            .env("B2_APPLICATION_KEY_ID", Identity::Admin.access_key())
            .env("B2_APPLICATION_KEY", Identity::Admin.secret_key())
    };
    lifeboat().arg("backup").of(&shop).run().expect(0);
    assert!(bucket.objects().keys().any(|key| key.starts_with("prod/backups/") && key.ends_with("/manifest.json")));
    let verified = lifeboat().args(["verify", "shop/latest"]).run().expect(0);
    assert!(!verified.text().contains(Identity::Admin.secret_key()));
    let listed = lifeboat().args(["list", "--json"]).run().expect(0);
    assert_eq!(listed.result()["store"], url);
}

/// Cloudflare's stores know no region but this one, and every request has to be signed for it.
#[test]
fn a_store_of_r2_is_signed_for_the_region_that_all_of_them_have() {
    let (shop, bucket) = (fixtures::small(Major::V15), Seaweed::shared().bucket("r2"));
    let proxy = Proxy::before(Seaweed::shared());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lifeboat.toml");
    let place = format!("url = \"{}\"\nendpoint = \"{}\"\nallow_http = true\n", bucket.url("prod"), proxy.endpoint());
    std::fs::write(&file, format!("[store]\nprovider = \"r2\"\n{place}")).unwrap();
    let lifeboat = || {
        Lifeboat::new()
            .env("LIFEBOAT_CONFIG", &file)
            .env("AWS_ACCESS_KEY_ID", Identity::Admin.access_key())
            .env("AWS_SECRET_ACCESS_KEY", Identity::Admin.secret_key())
    };
    lifeboat().arg("backup").of(&shop).run().expect(0);
    lifeboat().args(["verify", "shop/latest"]).run().expect(0);
    lifeboat().args(["store", "test"]).run().expect(0);
    let calls = proxy.calls();
    let for_auto =
        |call: &Call| call.header("authorization").is_some_and(|text| text.contains("/auto/s3/aws4_request"));
    assert!(!calls.is_empty() && calls.iter().all(for_auto), "{calls:?}");
}
