//! Connection services: what a backup without a connection string of its own is taken of.

use std::fs;

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::servers::postgres::{PASSWORD, SUPERUSER};
use lifeboat_tests::{Lifeboat, Major, Postgres, fixtures};
use tempfile::TempDir;

use crate::shop::{Store, assert_refused};

#[test]
fn a_service_says_where_the_database_is() {
    let server = Postgres::shared(Major::V15);
    let (shop, folder, store) = (server.database("shop"), TempDir::new().unwrap(), Store::new());
    shop.load(&fixtures::sql(fixtures::SMALL));
    let file = folder.path().join("services");
    let port = server.port();
    let text =
        format!("[shop]\nhost=127.0.0.1\nport={port}\nuser={SUPERUSER}\npassword={PASSWORD}\ndbname={}\n", shop.name);
    fs::write(&file, text).unwrap();
    let with_services = |command: Lifeboat| command.env("PGSERVICEFILE", &file);

    with_services(store.backup("service=shop")).run().expect(0);
    let by_environment = store.lifeboat("backup --name shop").env("PGSERVICE", "shop");
    let outcome = with_services(by_environment).run().expect(0);
    assert!(!outcome.text().contains(PASSWORD), "{}", outcome.text());
    let copy = server.adopt(&format!("{}_copy", shop.name));
    with_services(store.restore(&format!("service=shop dbname={}", copy.name))).arg("--create").run().expect(0);
    assert_same(&shop, &copy);

    let misspelt = with_services(store.backup("service=shpo")).run();
    assert_refused(misspelt, 78, &["shpo", "define it as [shpo]", &file.display().to_string()]);
}

/// As a timer runs it: no database is named, and what its service leaves out comes from its own line or from another service.
#[test]
fn every_configured_database_is_found_by_its_service_whatever_the_method() {
    let (server, folder) = (Postgres::shared(Major::V15), TempDir::new().unwrap());
    let databases = ["shop", "ledger", "rest"].map(|name| {
        let database = server.database(name);
        database.psql(&format!("CREATE TABLE of_{name} AS SELECT g AS id FROM generate_series(1, 10) g"));
        database
    });
    let [shop, ledger, rest] = &databases;
    let place = format!("host=127.0.0.1\nport={}\nuser={SUPERUSER}\npassword={PASSWORD}\n", server.port());
    let services = folder.path().join("services");
    fs::write(&services, format!("[shop]\n{place}dbname={}\n[server]\n{place}", shop.name)).unwrap();
    let config = folder.path().join("lifeboat.toml");
    let url = |name: &str, url: &str| format!("[[database]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    let text = [
        url("shop", "service=shop"),
        url("ledger", &format!("postgresql:///{}?service=server", ledger.name)),
        url("rest", &format!("dbname={}", rest.name)),
    ];
    fs::write(&config, text.concat()).unwrap();

    for method in ["stream", "parallel"] {
        let store = Store::new();
        let with_services = |command: Lifeboat| command.env("PGSERVICEFILE", &services).env("PGSERVICE", "server");
        let backup = store.lifeboat("backup --json --method").arg(method).arg("--config").arg(&config);
        let outcome = with_services(backup).run().expect(0);
        assert!(!outcome.text().contains(PASSWORD), "{}", outcome.text());
        let methods: Vec<_> =
            outcome.result()["backups"].as_array().unwrap().iter().map(|it| it["method"].clone()).collect();
        assert_eq!(methods, [method; 3]);
        for name in ["shop", "ledger", "rest"] {
            let script = store.lifeboat(&format!("cat {name}/latest")).run().expect(0).stdout;
            assert!(script.contains(&format!("COPY \"public\".\"of_{name}\" ")), "{name} by {method}");
        }
    }
}
