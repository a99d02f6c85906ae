//! A product's databases on a server of their own, and its configuration with what it names replaced: the store by a folder,
//! docker by a stand-in, the scratch container by a throwaway cluster, the product by a script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lifeboat_tests::servers::postgres::{Options, PASSWORD};
use lifeboat_tests::{Lifeboat, Major, Postgres, scratch};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::products::Product;
use crate::sealed::Sealed;

pub(crate) struct Stage {
    product: Product,
    server: Postgres,
    folder: TempDir,
}

impl Stage {
    /// The databases of `product`, filled.
    pub(crate) fn of(product: Product) -> Stage {
        let server = Postgres::start(Major::V15, &Options::default());
        let stage = Stage { product, server, folder: TempDir::new().unwrap() };
        scratch::create_open(stage.folder.path());
        for described in product.databases() {
            let (user, fixture) = (described.user.as_deref(), product.fixture(&described.name));
            fill(&stage.server, &described.dbname, user, &fixture);
        }
        for column in Sealed::all(product) {
            column.fill(&stage.server, product.column_key());
        }
        stage.write_programs();
        fs::write(stage.path("lifeboat.toml"), stage.configuration().to_string()).unwrap();
        let keyring = stage.path("keyring.toml");
        Lifeboat::new().args(["key", "generate", "--id", "2026-11", "--out"]).arg(keyring).run().expect(0);
        stage
    }

    /// A command on the product's store, with its configuration.
    pub(crate) fn lifeboat(&self, arguments: &[&str]) -> Lifeboat {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        let databases = self.product.databases();
        let urls = databases.iter().filter_map(|described| {
            described.variable.as_ref().map(|variable| (variable, self.server.dsn(&described.dbname)))
        });
        Lifeboat::new()
            .args(arguments)
            .arg("--json")
            .envs(self.product.variables.iter().copied())
            .envs(urls)
            .env("PATH", path)
            .env("LIFEBOAT_CONFIG", self.path("lifeboat.toml"))
            .env("LIFEBOAT_STORE", format!("file://{}", self.path("store").display()))
            .env("LIFEBOAT_KEYRING", format!("file:{}", self.path("keyring.toml").display()))
            .env("CREDENTIALS_DIRECTORY", self.path("credentials"))
            .state_dir(&self.path("state"))
    }

    /// Runs SQL in the database of this name in the store.
    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let databases = self.product.databases();
        let described =
            databases.iter().find(|described| described.name == database).expect("a database of the product");
        self.server.psql(&described.dbname, sql);
    }

    /// Its server.
    pub(crate) fn server(&self) -> &Postgres {
        &self.server
    }

    /// The address of a database.
    pub(crate) fn dsn(&self, dbname: &str) -> String {
        self.server.dsn(dbname)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_programs(&self) {
        fs::create_dir(self.path("bin")).unwrap();
        write_docker(&self.path("bin/docker"), &self.server);
        write_program(&self.path("smoke"), SMOKE);
        fs::create_dir(self.path("credentials")).unwrap();
        for name in ["store-key-id", "store-secret-key"] {
            fs::write(self.path("credentials").join(name), "a key").unwrap();
        }
    }

    /// The example's own, but for the scratch database and the product.
    fn configuration(&self) -> Table {
        let mut configuration = self.product.configuration();
        let drill = configuration["drill"].as_table_mut().unwrap();
        for key in ["server", "command"] {
            drill.remove(key);
        }
        drill.insert("scratch".into(), "cluster".into());
        drill.insert("dir".into(), text(&self.path("drills")));
        drill["smoke"].as_table_mut().unwrap().insert("command".into(), vec![text(&self.path("smoke"))].into());
        configuration
    }
}

/// Makes a database of a product: its role owns what is in it.
pub(crate) fn fill(server: &Postgres, dbname: &str, role: Option<&str>, fixture: &str) {
    let mut sql = fixture.to_owned();
    if let Some(role) = role {
        // The image's user is its superuser; two databases may have the same one.
        let create = format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'");
        let guarded = format!("DO $$ BEGIN {create}; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        server.psql("postgres", &guarded);
        sql.insert_str(0, &format!("SET ROLE {role};\n"));
    }
    server.psql("postgres", &format!("CREATE DATABASE {dbname}"));
    server.psql(dbname, &sql);
}

/// A `docker` in whose containers the tools of this server run.
pub(crate) fn write_docker(path: &Path, server: &Postgres) {
    let environment = server.client_environment("postgres");
    let environment: Vec<_> = environment.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    write_program(path, &DOCKER.replace("@ENVIRONMENT@", &environment.join(" ")));
}

fn text(path: &Path) -> Value {
    path.display().to_string().into()
}

/// An executable script.
pub(crate) fn write_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `docker compose … exec [-T] SERVICE TOOL …` and `docker exec [-i] [-e NAME=VALUE] CONTAINER TOOL …`: every one of them is the
/// one server, reached by its socket. A compose without `-T` gives the tool a terminal, which ends lines in its way.
const DOCKER: &str = r#"#!/bin/bash
set -o pipefail
by=$1 terminal=
while [ "$1" != exec ]; do shift; done
shift
[ "$by" = compose ] && terminal=1
while true; do
    case $1 in
        -T) terminal=; shift ;;
        -i) shift ;;
        -e) shift 2 ;;
        *) break ;;
    esac
done
shift
if [ "$terminal" ]; then
    env -i @ENVIRONMENT@ "$@" | sed 's/$/\r/'
else
    exec env -i @ENVIRONMENT@ "$@"
fi
"#;

const SMOKE: &str = r#"#!/bin/sh
[ "$(psql -XAtq -d "$DATABASE_URL" -c 'SELECT 1')" = 1 ]
"#;
