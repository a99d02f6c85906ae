//! One database, from flags and environment alone, word for word as the documentation has it.

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{Identity, Lifeboat, Major, Seaweed, fixtures};

#[test]
fn the_two_commands_of_the_documentation_work_without_a_configuration_file() {
    let (seaweed, shop) = (Seaweed::shared(), fixtures::small(Major::V15));
    let bucket = seaweed.bucket("environment");
    let store = bucket.url("prefix");
    let line =
        format!("backup --store {store} --name shop --database-url env:DATABASE_URL --method stream --class daily");
    Lifeboat::new()
        .args(line.split(' '))
        .envs(seaweed.environment(Identity::Admin))
        .env("DATABASE_URL", shop.dsn())
        .run()
        .expect(0);
    assert!(bucket.objects().keys().any(|key| key.starts_with("prefix/backups/daily/shop/")));

    let copy = shop.server.adopt(&format!("{}_copy", shop.name));
    let line =
        format!("restore shop/latest --store {store} --into {} --create", shop.server.dsn_without_password(&copy.name));
    Lifeboat::new()
        .args(line.split(' '))
        .envs(seaweed.environment(Identity::Admin))
        .env("PGPASSWORD", lifeboat_tests::servers::postgres::PASSWORD)
        .run()
        .expect(0);
    assert_same(&shop, &copy);
}

#[test]
fn everything_can_come_from_variables() {
    let (seaweed, shop) = (Seaweed::shared(), fixtures::small(Major::V15));
    let bucket = seaweed.bucket("environment");
    Lifeboat::program("lifeboat-backup")
        .envs(seaweed.environment(Identity::Writer))
        .env("LIFEBOAT_STORE", bucket.url("prod"))
        .env("LIFEBOAT_NAME", "shop")
        .env("LIFEBOAT_DATABASE_URL", "env:DATABASE_URL")
        .env("LIFEBOAT_CLASS", "monthly")
        .env("LIFEBOAT_METHOD", "stream")
        .env("DATABASE_URL", shop.dsn())
        .run()
        .expect(0);
    assert!(bucket.objects().keys().any(|key| key.starts_with("prod/backups/monthly/shop/")));
}

#[test]
fn libpqs_own_variables_lead_to_the_database() {
    let shop = fixtures::small(Major::V15);
    let store = crate::shop::Store::new();
    store.lifeboat("backup --name shop").envs(shop.server.client_environment(&shop.name)).run().expect(0);
    assert_eq!(store.list("").len(), 1);
}

#[test]
fn a_flag_is_stronger_than_a_variable_and_a_variable_than_the_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("lifeboat.toml");
    std::fs::write(
        &config,
        "store = \"file:///file\"\nclass = \"in-file\"\n[[database]]\nname = \"shop\"\nurl = \"env:X\"\n",
    )
    .unwrap();
    let show = |arguments: &[&str]| {
        let lifeboat = Lifeboat::new().args(["config", "show"]).args(arguments).env("LIFEBOAT_CONFIG", &config);
        lifeboat
            .env("LIFEBOAT_CLASS", "in-environment")
            .env("LIFEBOAT_STORE", "file:///environment")
            .run()
            .expect(0)
            .stdout
    };
    let shown = show(&["--store", "file:///flag"]);
    assert!(shown.contains("file:///flag") && shown.contains("in-environment"), "{shown}");
    assert!(!shown.contains("file:///environment") && !shown.contains("in-file"), "{shown}");
}
