//! Databases as operators have them: where the provider keeps the superuser, with extensions that take part in a restore, and of
//! every major version, and on every way there.

#![expect(clippy::unwrap_used, reason = "whatever fails here is a failed test")]

mod extensions;
mod managed;
mod versions;
mod way;

use lifeboat_tests::{Depot, Postgres};

/// Drills the latest backup in a cluster of the release of `like`; it must pass.
#[track_caller]
fn drilled(like: &Postgres, depot: &Depot) {
    let config = depot.path("drill.toml");
    std::fs::write(&config, format!("[drill]\ndir = \"{}\"\n", depot.path("drills").display())).unwrap();
    let drill = depot.lifeboat("drill").args(["run", "shop/latest", "--json", "--config"]).arg(&config);
    let outcome = drill.env("LIFEBOAT_TOOLS_DIR", &like.installation.bin).run().expect(0);
    assert_eq!(outcome.result()["verdict"], "passed");
}
