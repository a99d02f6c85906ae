//! The files under `fixtures/`.

use std::fs;
use std::path::PathBuf;

use crate::scratch;
use crate::servers::postgres::{Database, Major};

/// Schemas that are hard on purpose.
pub const HARD: &str = "hard.sql";

/// What [`HARD`] lacks because only Postgres 18 has it.
pub const HARD_18: &str = "hard-18.sql";

/// The roles that own what [`HARD`] makes; every server has them, unless asked not to.
pub const HARD_ROLES: &str = "hard-roles.sql";

/// A small shop: what `lifeboat demo` backs up too.
pub const SMALL: &str = "small.sql";

/// The path of a file under `fixtures/sql`.
pub fn sql(name: &str) -> PathBuf {
    scratch::workspace().join("fixtures/sql").join(name)
}

/// The folder of values that other programs encrypted, and of those programs.
pub fn ciphertexts() -> PathBuf {
    scratch::workspace().join("fixtures/ciphertexts")
}

/// The files of the test extension, by name.
pub fn extension_files() -> Vec<(String, String)> {
    let folder = scratch::workspace().join("fixtures/extension");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Fills `database` with everything hard that its server's release knows.
pub fn load_hard(database: &Database<'_>) {
    database.load(&sql(HARD));
    if database.server.installation.number >= 18 {
        database.load(&sql(HARD_18));
    }
}

/// A new database on the shared server, filled by [`load_hard`].
pub fn hard(major: Major) -> Database<'static> {
    let database = crate::Postgres::shared(major).database("hard");
    load_hard(&database);
    database
}

/// A new database on the shared server with the small shop.
pub fn small(major: Major) -> Database<'static> {
    let database = crate::Postgres::shared(major).database("shop");
    database.load(&sql(SMALL));
    database
}

/// 24 MB of random bytes: printed in hexadecimal they compress to half, and so need two parts of 16 MiB.
pub fn noise() -> Database<'static> {
    let database = crate::Postgres::shared(Major::V15).database("noise");
    database.psql(
        "CREATE EXTENSION pgcrypto;
         CREATE TABLE noise (id int PRIMARY KEY, bytes bytea);
         INSERT INTO noise SELECT i, gen_random_bytes(1000) FROM generate_series(1, 24000) i",
    );
    database
}
