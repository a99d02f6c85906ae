//! Without a superuser: the owner, who may create databases.

use lifeboat_tests::servers::postgres::PASSWORD;
use lifeboat_tests::session::Held;
use lifeboat_tests::{Lifeboat, Major, unused_name};

use crate::world::{SLOW, Shop, being_changed, ended};

/// Hands the shop over to a role of its own; dropped with what it owns when the test ends.
fn clerk(shop: &Shop) -> String {
    let (server, name, clerk) = (shop.database.server, &shop.database.name, unused_name("clerk"));
    server.psql(
        "postgres",
        &format!("CREATE ROLE {clerk} LOGIN CREATEDB PASSWORD '{PASSWORD}'; ALTER DATABASE {name} OWNER TO {clerk}"),
    );
    let give = "SELECT format('ALTER %s %I OWNER TO %I;', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname, '%CLERK%')
                FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')";
    let statements = shop.database.psql(&give.replace("%CLERK%", &clerk));
    shop.database.psql(&statements);
    clerk
}

#[test]
fn an_owner_who_may_create_databases_replaces_his_own_and_takes_it_back() {
    for major in Major::ALL {
        let shop = Shop::backed_up(major);
        let server = shop.database.server;
        let clerk = clerk(&shop);
        shop.depot.backup(&shop.database);
        shop.database.psql("UPDATE version SET v = 'live'");
        let properties = shop.settings();
        let as_clerk =
            |command: Lifeboat| command.env("LIVE_URL", server.dsn_as(&clerk, PASSWORD, &shop.database.name));

        server.psql("postgres", &format!("ALTER ROLE {clerk} NOCREATEDB"));
        let held = Held::new(&shop.database, "SET SESSION AUTHORIZATION plain; BEGIN; SELECT 1");
        let refused = ended(as_clerk(shop.replace(&["--dry-run"])).run(), 40);
        held.release();
        for word in
            ["may not rename databases", "CREATEDB", "may not end the sessions of", "GRANT pg_signal_backend TO"]
        {
            assert!(refused.stdout.contains(word), "{word} in {}", refused.stdout);
        }
        let other = ended(
            shop.replace(&["--dry-run"]).env("LIVE_URL", server.dsn_as("plain", PASSWORD, &shop.database.name)).run(),
            40,
        );
        assert!(other.stdout.contains("is no member of"), "{}", other.stdout);

        server.psql("postgres", &format!("ALTER ROLE {clerk} CREATEDB"));
        if major == Major::V15 {
            refused_early_and_kept_out(&shop, &as_clerk);
        }
        let blind = ended(as_clerk(shop.replace(&["--yes"])).run(), 40);
        for word in ["how much of the server's disk is free cannot be known", "--ignore-disk"] {
            assert!(blind.stderr.contains(word), "{word} in {}", blind.stderr);
        }
        ended(as_clerk(shop.replace(&["--yes", "--ignore-disk"])).run(), 0);
        assert_eq!(shop.database.psql("SELECT v FROM version"), "backup");
        assert_eq!(shop.settings(), properties);
        ended(as_clerk(shop.undo(&["--yes"])).run(), 0);
        assert_eq!(shop.database.psql("SELECT v FROM version"), "live");
        assert_eq!(shop.settings(), properties);
        drop(shop);
        server.psql("postgres", &format!("DROP ROLE {clerk}"));
    }
}

#[test]
fn an_extension_that_the_role_may_not_create_is_found_out_before_the_safety_backup() {
    let shop = Shop::backed_up(Major::V15);
    let (server, clerk) = (shop.database.server, clerk(&shop));
    shop.database.psql("CREATE EXTENSION lifeboat_atlas; CREATE EXTENSION pgcrypto");
    shop.depot.backup(&shop.database);
    let oid = shop.oid();
    let as_clerk = |command: Lifeboat| command.env("LIVE_URL", server.dsn_as(&clerk, PASSWORD, &shop.database.name));
    let dry = ended(as_clerk(shop.replace(&["--dry-run", "--ignore-disk"])).run(), 0);
    assert!(dry.stdout.contains("whether the role may create lifeboat_atlas in a new"), "{}", dry.stdout);
    let denied = ended(as_clerk(shop.replace(&["--yes", "--ignore-disk"])).run(), 40);
    let as_it_was = format!("the live database {} is as it was", shop.database.name);
    for word in ["may not create lifeboat_atlas in a new database", &as_it_was, "without --create", "by hand"] {
        assert!(denied.stderr.contains(word), "{word} in {}", denied.stderr);
    }
    let listed = shop.depot.lifeboat("list").arg("shop.replaced").run().expect(0).stdout;
    assert!(listed.contains("no backups of shop.replaced"), "{listed}");
    assert_eq!((shop.oid(), shop.others()), (oid.clone(), Vec::new()));
    // Who may, does.
    let dry = ended(shop.replace(&["--dry-run"]).run(), 0);
    assert!(!dry.stdout.contains("whether the role may create"), "{}", dry.stdout);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    assert_ne!(shop.oid(), oid);
    drop(shop);
    server.psql("postgres", &format!("DROP ROLE {clerk}"));
}

/// Its policies keep the owner out of its own rows, also of those that were just restored.
#[test]
fn an_owner_who_may_not_read_past_row_level_security_is_told_before_and_goes_on_with_the_right_to() {
    let shop = Shop::backed_up(Major::V15);
    let server = shop.database.server;
    let clerk = clerk(&shop);
    shop.database.psql("ALTER TABLE items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    shop.depot.backup(&shop.database);
    let replace = |options: &[&str]| {
        shop.replace(options).env("LIVE_URL", server.dsn_as(&clerk, PASSWORD, &shop.database.name)).run()
    };
    let dry = ended(replace(&["--dry-run", "--no-safety-backup", "--ignore-disk"]), 0);
    for word in ["row-level security", "public.items", "BYPASSRLS"] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    let refused = ended(replace(&WITHOUT_LOOKING), 20);
    for word in ["compare public.items", "BYPASSRLS", "the same command goes on from it"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    server.psql("postgres", &format!("ALTER ROLE {clerk} BYPASSRLS"));
    let dry = ended(replace(&["--dry-run", "--no-safety-backup", "--ignore-disk"]), 0);
    assert!(!dry.stdout.contains("BYPASSRLS"), "{}", dry.stdout);
    let gone_on = ended(replace(&[&WITHOUT_LOOKING[..], &["--json"]].concat()), 0);
    assert!(gone_on.result()["summary"]["restore"].is_null(), "{}", gone_on.stdout);
    shop.drop_kept();
}

/// A clerk may not know where the server's disk is.
const WITHOUT_LOOKING: [&str; 3] = ["--yes", "--no-safety-backup", "--ignore-disk"];

fn refused_early_and_kept_out(shop: &Shop, as_clerk: &impl Fn(Lifeboat) -> Lifeboat) {
    // What a superuser alone may set shows before anything is loaded.
    let set =
        |what: &str| shop.database.server.psql("postgres", &format!("ALTER DATABASE {} {what}", shop.database.name));
    set("SET log_statement TO 'ddl'");
    let denied = ended(as_clerk(shop.replace(&WITHOUT_LOOKING)).run(), 20);
    for word in ["give a database the properties of the one that it is to replace", "log_statement"] {
        assert!(denied.stderr.contains(word), "{word} in {}", denied.stderr);
    }
    assert!(!denied.stderr.contains("load "), "{}", denied.stderr);
    assert_eq!(shop.others(), Vec::<String>::new());
    set("RESET log_statement");
    // Nobody but superusers may come in: a clerk's own sessions with the new database neither, once it is so limited.
    set("CONNECTION LIMIT 0");
    given_up_and_gone_on_from(shop, as_clerk);
    ended(as_clerk(shop.undo(&["--yes"])).run(), 0);
    set("CONNECTION LIMIT -1");
    shop.drop_kept();
    // Somebody whose sessions a clerk may not end comes while the backup is restored.
    shop.database.psql(&format!("SET ROLE {};\n{SLOW}; UPDATE version SET v = 'backup'", shop.settings()["owner"]));
    shop.depot.backup(&shop.database);
    shop.database.psql("UPDATE version SET v = 'live'");
    let running = shop.restoring(as_clerk(shop.replace(&WITHOUT_LOOKING)));
    let held = Held::new(&shop.database, "BEGIN; SELECT 1");
    let refused = ended(running.wait(), 40);
    for word in ["may not end the sessions of postgres", "the same command goes on from it"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    held.release();
    let gone_on = ended(as_clerk(shop.replace(&["--yes", "--no-safety-backup", "--ignore-disk", "--json"])).run(), 0);
    assert!(gone_on.result()["summary"]["restore"].is_null(), "{}", gone_on.stdout);
    ended(as_clerk(shop.undo(&["--yes"])).run(), 0);
    shop.drop_kept();
}

/// Somebody changes something of the database all the time: the swap does not come to its moment.
fn given_up_and_gone_on_from(shop: &Shop, as_clerk: &impl Fn(Lifeboat) -> Lifeboat) {
    let (server, limited, oid) = (shop.database.server, shop.settings_and_limit(), shop.oid());
    let held = being_changed(shop, &format!("COMMENT ON DATABASE {} IS 'being changed'", shop.database.name));
    let given_up = ended(as_clerk(shop.replace(&WITHOUT_LOOKING)).run(), 75);
    assert_eq!(given_up.stderr.matches("; trying again").count(), 5, "{}", given_up.stderr);
    let as_it_was = format!("the live database {} is as it was", shop.database.name);
    for word in ["sessions come back faster than they can be ended", "the same command goes on from it", &as_it_was] {
        assert!(given_up.stderr.contains(word), "{word} in {}", given_up.stderr);
    }
    held.release();
    let left = shop.others();
    assert_eq!((shop.oid(), left.len()), (oid, 1));
    // That it cannot be read just now says nothing of its rows.
    let of_what_is_left = |what: &str| server.psql("postgres", &format!("ALTER DATABASE {} {what}", left[0]));
    of_what_is_left("ALLOW_CONNECTIONS false");
    let closed = as_clerk(shop.replace(&WITHOUT_LOOKING)).run();
    assert_ne!(closed.code(), 0, "{}", closed.text());
    assert!(closed.stderr.contains("the same command goes on from it"), "{}", closed.stderr);
    assert_eq!(shop.others(), left);
    of_what_is_left("ALLOW_CONNECTIONS true");
    of_what_is_left("CONNECTION LIMIT 0");
    let gone_on = ended(as_clerk(shop.replace(&[&WITHOUT_LOOKING[..], &["--json"]].concat())).run(), 0);
    assert!(gone_on.result()["summary"]["restore"].is_null(), "{}", gone_on.stdout);
    assert_eq!(shop.settings_and_limit(), limited);
}
