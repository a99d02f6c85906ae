//! Files that the products' own scripts made, by the commands and options that those scripts have: each is restored by the one
//! command that its page has for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, end_agent, through};
use lifeboat_tests::servers::installation::in_venv;
use lifeboat_tests::servers::postgres::{Options, PASSWORD, SUPERUSER};
use lifeboat_tests::{Database, Major, Postgres, lifeboat, unused_name};

use crate::products::{BRIVEN, CULLIS, DAOFLOW, IDENTITY_GOVERNANCE, PILOT, Product};
use crate::stage::{fill, write_docker};

/// A database of a product, as it is on its host.
#[derive(Clone, Copy)]
struct Source {
    product: Product,
    /// Its name in the store.
    name: &'static str,
    dbname: &'static str,
    role: &'static str,
}

const CONTROL: Source = Source { product: BRIVEN, name: "control", dbname: "briven_control", role: SUPERUSER };
const DATA: Source = Source { product: BRIVEN, name: "data", dbname: "briven_data", role: SUPERUSER };
const AGENT_TRUST: Source = Source { product: CULLIS, name: "agent_trust", dbname: "agent_trust", role: "atn" };
const PILOTS: Source = Source { product: PILOT, name: "pilot", dbname: "pilot", role: "helm" };
const IGA: Source = Source { product: IDENTITY_GOVERNANCE, name: "iga", dbname: "iga", role: "iga" };
const DAOFLOWS: Source = Source { product: DAOFLOW, name: "daoflow", dbname: "daoflow", role: "daoflow" };
const TEMPORAL: Source = Source { product: DAOFLOW, name: "temporal", dbname: "temporal", role: "temporal" };
const SOURCES: [Source; 7] = [CONTROL, DATA, AGENT_TRUST, PILOTS, IGA, DAOFLOWS, TEMPORAL];

/// A file that a product's script makes of a database, under the name that the script gives it.
struct Made {
    of: Source,
    file: &'static str,
    script: &'static str,
}

const FILES: [Made; 17] = [
    // pg-dump.sh
    Made {
        of: CONTROL,
        file: "control.dump",
        script: r#"pg_dump --format=custom --compress=6 --file control.dump "$BRIVEN_BACKUP_CONTROL_URL""#,
    },
    Made {
        of: DATA,
        file: "data.dump",
        script: r#"pg_dump --format=custom --compress=6 --file data.dump "$BRIVEN_BACKUP_DATA_URL""#,
    },
    // briven-backup.sh
    Made {
        of: CONTROL,
        file: "briven_control/2026-05-09/02-17-00.dump.gz",
        script: "docker exec briven-postgres-1 pg_dump --username=postgres --format=custom --compress=0 \
                 --no-owner --no-privileges briven_control | gzip -9 > briven_control/2026-05-09/02-17-00.dump.gz",
    },
    Made {
        of: DATA,
        file: "briven_data/2026-05-09/02-17-00.dump.gz",
        script: "docker exec briven-postgres-1 pg_dump --username=postgres --format=custom --compress=0 \
                 --no-owner --no-privileges briven_data | gzip -9 > briven_data/2026-05-09/02-17-00.dump.gz",
    },
    // pg-backup.sh, without BACKUP_ENCRYPT_KEY and with it
    Made {
        of: AGENT_TRUST,
        file: "atn_2026-04-06_030000.sql.gz",
        script: "docker compose --project-directory . -f deploy/compose/docker-compose.yml exec -T postgres \
                 pg_dump -U atn agent_trust | gzip > atn_2026-04-06_030000.sql.gz",
    },
    Made {
        of: AGENT_TRUST,
        file: "atn_2026-04-06_030000.sql.gz.enc",
        script: "docker compose --project-directory . -f deploy/compose/docker-compose.yml exec -T postgres \
                 pg_dump -U atn agent_trust | gzip > plain
                 openssl enc -aes-256-cbc -salt -pbkdf2 -iter 100000 -in plain \
                 -out atn_2026-04-06_030000.sql.gz.enc -pass env:BACKUP_ENCRYPT_KEY",
    },
    // backup.sh: in the container, on the host, encrypted, and what a restore keeps of the state before it
    Made {
        of: PILOTS,
        file: "pilot_20260406_030000.sql.gz",
        script: "docker compose -p pilot --env-file .env.production.shared -f infra/digitalocean/docker-compose.yml \
                 exec -T postgres pg_dump -U helm --clean --if-exists --no-owner pilot | gzip > pilot_20260406_030000.sql.gz",
    },
    Made {
        of: PILOTS,
        file: "helm_pilot_20250406_030000.sql.gz",
        script: r#"PGPASSWORD="$DB_PASS" pg_dump -h 127.0.0.1 -p "$DB_PORT" -U helm --clean --if-exists --no-owner pilot \
                 | gzip > helm_pilot_20250406_030000.sql.gz"#,
    },
    Made {
        of: PILOTS,
        file: "pilot_20260406_030000.sql.gz.gpg",
        script: r#"PGPASSWORD="$DB_PASS" pg_dump -h 127.0.0.1 -p "$DB_PORT" -U helm --clean --if-exists --no-owner pilot | gzip > plain
                 printf '%s' "$BACKUP_ENCRYPTION_PASSPHRASE" | gpg --batch --yes --passphrase-fd 0 --pinentry-mode loopback \
                 --symmetric --cipher-algo AES256 --output pilot_20260406_030000.sql.gz.gpg plain"#,
    },
    Made {
        of: PILOTS,
        file: "pre-restore/pilot_pre_restore_20260406_030000.sql.gz",
        script: "docker compose -p pilot -f infra/digitalocean/docker-compose.yml exec -T postgres \
                 pg_dump -U helm --clean --if-exists --no-owner pilot | gzip > pre-restore/pilot_pre_restore_20260406_030000.sql.gz",
    },
    // No script of its own is known: what `pg_dump` makes by itself.
    Made { of: IGA, file: "iga.sql.zst", script: r#"pg_dump "$DATABASE_URL" | zstd -q > iga.sql.zst"# },
    // daoflow backup run
    Made {
        of: DAOFLOWS,
        file: "postgres-2026-04-06T03-00-00-000Z.dump",
        script: r#"docker exec -e PGPASSWORD="$DB_PASS" postgres pg_dump -U daoflow -p "$DB_PORT" --format=custom --compress=6 \
                 daoflow > postgres-2026-04-06T03-00-00-000Z.dump"#,
    },
    Made {
        of: TEMPORAL,
        file: "temporal-postgresql-2026-04-06T03-00-00-000Z.dump",
        script: r#"docker exec -e PGPASSWORD="$DB_PASS" temporal-postgresql pg_dump -U temporal -p "$DB_PORT" --format=custom \
                 --compress=6 temporal > temporal-postgresql-2026-04-06T03-00-00-000Z.dump"#,
    },
    // The same at a destination that encrypts.
    Made {
        of: DAOFLOWS,
        file: "REMOTE:postgres-2026-04-06T03-00-00-000Z.dump",
        script: r#"docker exec -e PGPASSWORD="$DB_PASS" postgres pg_dump -U daoflow -p "$DB_PORT" --format=custom --compress=6 \
                 daoflow > plain
                 rclone copyto plain REMOTE:postgres-2026-04-06T03-00-00-000Z.dump
                 ! ls crypted | grep -q postgres"#,
    },
    // The dump before an upgrade, by a compose that gives `exec` a terminal unless told not to, and by one that does not.
    Made {
        of: DAOFLOWS,
        file: "backup-20260315.sql",
        script: "docker compose exec postgres pg_dump -U daoflow daoflow > backup-20260315.sql
                 grep -q $'\\r$' backup-20260315.sql",
    },
    Made {
        of: DAOFLOWS,
        file: "backup-20260315.sql",
        script: "docker compose exec -T postgres pg_dump -U daoflow daoflow > backup-20260315.sql",
    },
    // What goes into its recovery bundle.
    Made {
        of: DAOFLOWS,
        file: "postgres-2026-04-06T03-00-00-000Z.dump",
        script: "docker exec postgres pg_dump --format=custom --compress=6 --no-owner --no-privileges \
                 --serializable-deferrable --username daoflow --dbname daoflow > postgres-2026-04-06T03-00-00-000Z.dump",
    },
];

#[test]
fn files_of_the_products_scripts_come_back_by_the_command_on_their_page() {
    let (server, docker) = (Postgres::start(Major::V15, &Options::default()), Shelf::new());
    write_docker(&docker.0.path().join("docker"), &server);
    let originals = SOURCES.map(|source| source.filled(&server));
    for made in FILES {
        let original = originals.iter().find(|database| database.name == made.of.dbname).unwrap();
        let shelf = made.by_its_script(original, docker.0.path());
        assert_same_but_settings(original, &made.by_the_page(&server, &shelf));
    }
}

impl Source {
    /// The database, made by its role.
    fn filled<'s>(&self, server: &'s Postgres) -> Database<'s> {
        fill(server, self.dbname, Some(self.role), &self.product.fixture(self.name));
        server.adopt(self.dbname)
    }
}

impl Made {
    /// The file, where the script leaves it.
    fn by_its_script(&self, original: &Database<'_>, docker: &Path) -> Shelf {
        let (shelf, home) = (Shelf::new(), Shelf::new());
        fs::create_dir_all(shelf.0.path().join(self.file).parent().unwrap()).unwrap();
        let urls = ["BRIVEN_BACKUP_CONTROL_URL", "BRIVEN_BACKUP_DATA_URL", "DATABASE_URL"];
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", self.script])
            .current_dir(shelf.0.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:{}:{}", docker.display(), original.server.installation.path(), in_venv("bin").display()),
            )
            .env("GNUPGHOME", home.0.path())
            .envs([("DB_PORT", original.server.port().to_string()), ("DB_PASS", PASSWORD.into())])
            .envs(urls.map(|name| (name, original.dsn())))
            .envs(SECRETS.map(|name| (name, PASSPHRASE)))
            .envs(crypted(shelf.0.path()))
            .output()
            .unwrap();
        end_agent(home.0.path());
        assert!(output.status.success(), "{}: {}", self.file, String::from_utf8_lossy(&output.stderr));
        shelf
    }

    /// What the one line of the page makes of it.
    fn by_the_page<'s>(&self, server: &'s Postgres, shelf: &Shelf) -> Database<'s> {
        let (line, restored) = (self.line(), server.adopt(&unused_name("by_page")));
        let target = server.dsn_as(self.of.role, PASSWORD, &restored.name);
        let output = Command::new("sh")
            .args(["-euc", &line])
            .current_dir(shelf.0.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin:{}", lifeboat::built().display(), in_venv("bin").display()),
            )
            .env("HOME", shelf.0.path())
            .envs(["TARGET_URL", "CONTROL_URL", "DATA_URL"].map(|name| (name, &target)))
            .envs(SECRETS.map(|name| (name, PASSPHRASE)))
            .envs(crypted(shelf.0.path()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        restored
    }

    fn line(&self) -> String {
        let page = fs::read_to_string(self.of.product.file("README.md")).unwrap();
        let file = self.file;
        let begins =
            [format!("lifeboat restore --from {file} "), format!("rclone cat {file} | lifeboat restore --from - ")];
        let mut lines = page.lines().filter(|line| begins.iter().any(|begin| line.starts_with(begin)));
        lines
            .next()
            .unwrap_or_else(|| panic!("no command of {} restores {}", self.of.product.name, self.file))
            .to_owned()
    }
}

/// What makes `REMOTE:` a destination of rclone's that encrypts names and contents, in this folder.
fn crypted(folder: &Path) -> [(&'static str, String); 4] {
    let password = through(Command::new(in_venv("bin/rclone")).args(["obscure", "-"]), PASSPHRASE.as_bytes());
    [
        ("RCLONE_CONFIG", folder.join("rclone.conf").display().to_string()),
        ("RCLONE_CONFIG_REMOTE_TYPE", "crypt".to_owned()),
        ("RCLONE_CONFIG_REMOTE_REMOTE", folder.join("crypted").display().to_string()),
        ("RCLONE_CONFIG_REMOTE_PASSWORD", String::from_utf8(password).unwrap().trim_end().to_owned()),
    ]
}

const SECRETS: [&str; 2] = ["BACKUP_ENCRYPT_KEY", "BACKUP_ENCRYPTION_PASSPHRASE"];
