//! Files that the products' own scripts made: each restored by the one command that its page has for it.

use std::process::Command;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, gpg, gzip, openssl, zstd};
use lifeboat_tests::{Database, Major, Postgres, lifeboat, unused_name};

use crate::products::{BRIVEN, CULLIS, DAOFLOW, IDENTITY_GOVERNANCE, PILOT, Product};

/// A file that a product's script makes of one of its databases, under the name that the page gives it.
struct Made {
    product: Product,
    database: &'static str,
    file: &'static str,
    make: fn(&Database<'_>) -> Vec<u8>,
}

const FILES: [Made; 6] = [
    Made {
        product: BRIVEN,
        database: "control",
        file: "control.dump",
        make: |database| database.pg_dump(&["--format=custom", "--compress=6"]),
    },
    Made {
        product: BRIVEN,
        database: "data",
        file: "02-17-00.dump.gz",
        make: |database| gzip(&database.pg_dump(&["--format=custom", "--compress=0", "--no-owner", "--no-privileges"])),
    },
    Made {
        product: CULLIS,
        database: "agent_trust",
        file: "atn_2026-04-06_030000.sql.gz.enc",
        make: |database| openssl(&gzip(&database.pg_dump(&[])), 100_000),
    },
    Made {
        product: PILOT,
        database: "pilot",
        file: "helm_pilot_20260406_030000.sql.gz.gpg",
        make: |database| gpg(&gzip(&database.pg_dump(&["--clean", "--if-exists", "--no-owner"]))),
    },
    Made {
        product: IDENTITY_GOVERNANCE,
        database: "iga",
        file: "iga.sql.zst",
        make: |database| zstd(&database.pg_dump(&[])),
    },
    Made {
        product: DAOFLOW,
        database: "daoflow",
        file: "daoflow.dump",
        make: |database| database.pg_dump(&["--format=custom", "--compress=6"]),
    },
];

#[test]
fn files_of_the_products_scripts_come_back_by_the_command_on_their_page() {
    let server = Postgres::shared(Major::V15);
    for Made { product, database, file, make } in FILES {
        let original = server.database("product");
        original.psql(&product.fixture(database));
        let (shelf, copy) = (Shelf::new(), server.adopt(&unused_name("by_page")));
        shelf.put(file, &make(&original));
        let page = std::fs::read_to_string(product.file("README.md")).unwrap();
        let mut lines = page.lines().filter(|line| line.starts_with(&format!("lifeboat restore --from {file} ")));
        let line = lines.next().unwrap_or_else(|| panic!("{}: no command restores {file}", product.name));
        let output = Command::new("sh")
            .args(["-euc", line])
            .current_dir(shelf.0.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", lifeboat::built().display()))
            .env("HOME", shelf.0.path())
            .envs(["TARGET_URL", "CONTROL_URL", "DATA_URL"].map(|name| (name, server.dsn(&copy.name))))
            .envs(["BACKUP_ENCRYPT_KEY", "BACKUP_ENCRYPTION_PASSPHRASE"].map(|name| (name, PASSPHRASE)))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {line}: {}", product.name, String::from_utf8_lossy(&output.stderr));
        assert_same_but_settings(&original, &copy);
    }
}
