//! Addresses of other kinds than S3's own.

use lifeboat_tests::{Identity, Lifeboat, Major, Seaweed, fixtures};

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

#[test]
fn a_store_that_this_build_cannot_open_says_how_to_get_one_that_can() {
    for (url, feature) in [("gs://bucket/prod", "--features gs"), ("az://container/prod", "--features az")] {
        let refused = Lifeboat::new().args(["list", "--store", url]).run().expect(78);
        assert!(refused.stderr.contains(feature), "{}", refused.stderr);
    }
}
