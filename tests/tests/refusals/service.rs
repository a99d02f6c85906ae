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
