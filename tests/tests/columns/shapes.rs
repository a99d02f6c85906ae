//! Tables and values of other shapes.

use std::collections::BTreeMap;

use lifeboat_rotate::Keyring;
use lifeboat_rotate::sweep::{Mode, SweepOptions};
use lifeboat_tests::{Database, Major};

use crate::world::{NEW, OLD, World, cut_over, keyring, mode, same, small};

/// Fills `secrets (id, value)` row by row by a function of its key.
fn insert(world: &World, ids: &[&str], value: impl Fn(&Keyring, &str) -> String) {
    let keyring = keyring(&world.target, OLD);
    let rows: Vec<_> = ids.iter().map(|id| format!("({id}, {})", value(&keyring, id))).collect();
    world.database.psql(&format!("INSERT INTO secrets VALUES {}", rows.join(", ")));
}

#[test]
fn partitions_and_children_are_swept_each() {
    for (create, partitions) in [
        (
            "CREATE TABLE t (id int, value text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
             CREATE TABLE a PARTITION OF t FOR VALUES FROM (0) TO (100);
             CREATE TABLE b PARTITION OF t FOR VALUES FROM (100) TO (1000) PARTITION BY LIST (id);
             CREATE TABLE c PARTITION OF b DEFAULT",
            2,
        ),
        ("CREATE TABLE t (id int, value text); CREATE TABLE a (more int) INHERITS (t)", 2),
    ] {
        let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 300);
        world.database.psql(&format!("{create}; INSERT INTO t SELECT * FROM secrets"));
        world.database.psql("DO $$ BEGIN INSERT INTO a (id, value) SELECT id + 1000, value FROM secrets; EXCEPTION WHEN check_violation THEN END $$");
        world.database.psql("DROP TABLE secrets; ALTER TABLE t RENAME TO secrets");
        let count: u64 = world.database.psql("SELECT count(*) FROM secrets").parse().unwrap();
        for options in [small(), mode(Mode::Offline)] {
            let summary = world.run(&options).unwrap();
            assert!(summary.is_clean());
            assert_eq!(summary.targets[0].counts.rotated, count, "{create}");
            let opened = world.opened(NEW);
            assert_eq!(opened.len() as u64, count);
            assert!(plain.iter().all(|(id, text)| opened[id] == *text));
            assert_eq!(world.plan().targets[0].relations.len(), partitions);
            world.rollback(&options).unwrap();
        }
    }
}

#[test]
fn composite_keys_keys_of_extensions_and_odd_names_are_swept() {
    for (columns, key) in [
        ("tenant text, id int, value text, PRIMARY KEY (tenant, id)", None),
        ("tenant citext, id int, value text, PRIMARY KEY (tenant, id)", None),
        ("tenant uuid DEFAULT gen_random_uuid() PRIMARY KEY, id int, value text", None),
        (
            "tenant timestamptz DEFAULT clock_timestamp(), id int NOT NULL UNIQUE, value text",
            Some(vec!["id".to_owned()]),
        ),
        ("\"#\" float8 DEFAULT random() PRIMARY KEY, \"t\" text DEFAULT 'x', id int, value text", None),
    ] {
        let mut world = World::new(Major::V15, "id int, value text");
        world.database.psql(&format!(
            "DROP TABLE secrets; CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE secrets ({columns})"
        ));
        if columns.starts_with("tenant text") || columns.starts_with("tenant citext") {
            world.database.psql(
                "CREATE FUNCTION tenant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     NEW.tenant := (ARRAY['Acme', 'beta', 'Émile', 'zeta'])[NEW.id % 4 + 1]; RETURN NEW; END $$;
                 CREATE TRIGGER tenant BEFORE INSERT ON secrets FOR EACH ROW EXECUTE FUNCTION tenant()",
            );
        }
        let plain = crate::world::plain(3000);
        world.fill(OLD, &plain);
        world.target.key_columns = key;
        let summary = world.run(&small()).unwrap();
        assert_eq!(summary.targets[0].counts.rotated, 3000, "{columns}");
        assert_eq!(summary.targets[0].passes, 2, "{columns}: one pass sees every row");
        same(&world.opened(NEW), &plain, columns);
    }
}

#[test]
fn a_unique_index_over_the_values_is_no_hindrance() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text UNIQUE", 500);
    assert_eq!(world.plan().targets[0].indexes, ["secrets_value_key"]);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
    world.run(&mode(Mode::Online)).unwrap();
    world.rollback(&small()).unwrap();
    world.run(&mode(Mode::Staged)).unwrap();
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn json_documents_keep_everything_else() {
    for kind in ["json", "jsonb", "text"] {
        for staged in [false, true] {
            let mut world = World::new(Major::V18, &format!("id int PRIMARY KEY, value {kind}"));
            world.target.layout = "json{smtp.password: base64(iv tag ct)}".parse().unwrap();
            let one: lifeboat_rotate::columns::Layout = "base64(iv tag ct)".parse().unwrap();
            let old = Keyring::new(one.clone(), world.target.keys.old.derive().unwrap()).unwrap();
            let new = Keyring::new(one, world.target.keys.new.derive().unwrap()).unwrap();
            insert(&world, &["1", "2", "3"], |_, id| {
                let value = old.encrypt(id.as_bytes(), b"").unwrap();
                format!(
                    "'{{\"host\": \"h{id}\", \"smtp\": {{\"password\": \"{}\", \"user\": 1.50}}}}'",
                    value.text().unwrap()
                )
            });
            world.database.psql("INSERT INTO secrets VALUES (4, '{\"smtp\": {}}'), (5, NULL)");
            let others = format!(
                "SELECT string_agg((value::{kind}::jsonb #- '{{smtp,password}}')::text, ' ' ORDER BY id) FROM secrets"
            );
            let before = world.database.psql(&others);
            let summary = if staged {
                world.run(&mode(Mode::Staged)).unwrap();
                world.run(&cut_over()).unwrap()
            } else {
                world.run(&small()).unwrap()
            };
            assert_eq!(
                (summary.targets[0].counts.rotated, summary.targets[0].counts.empty),
                (3, 2),
                "{kind}: {summary:?}"
            );
            assert_eq!(world.database.psql(&others), before, "{kind}");
            let value = world.database.psql("SELECT value::jsonb #>> '{smtp,password}' FROM secrets WHERE id = 2");
            assert_eq!(new.open(&[Some(value.as_bytes())], b"").unwrap().plaintext(), b"2", "{kind}");
            if staged {
                world.rollback(&small()).unwrap();
                let value = world.database.psql("SELECT value::jsonb #>> '{smtp,password}' FROM secrets WHERE id = 2");
                assert_eq!(old.open(&[Some(value.as_bytes())], b"").unwrap().plaintext(), b"2", "{kind}");
            }
        }
    }
}

#[test]
fn bytes_and_several_columns_are_swept_together() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, ct bytea, iv bytea, tag bytea");
    world.target.column = None;
    world.target.layout = "columns{ct: bytes(ct), iv: bytes(iv/16), tag: bytes(tag)}".parse().unwrap();
    let old = keyring(&world.target, OLD);
    for id in 0..50 {
        let stored = old.encrypt(format!("secret of {id}").as_bytes(), b"").unwrap().into_columns();
        let columns: Vec<_> = stored.iter().map(|column| format!("'\\x{}'", hex::encode(column))).collect();
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, {})", columns.join(", ")));
    }
    world.database.psql("INSERT INTO secrets VALUES (50, NULL, NULL, NULL), (51, '', '', '')");
    for options in [small(), mode(Mode::Offline), mode(Mode::Staged)] {
        let summary = world.run(&options).unwrap();
        if options.mode == Some(Mode::Staged) {
            world.run(&cut_over()).unwrap();
        }
        assert_eq!(summary.targets[0].counts.rotated, 50, "{summary:?}");
        let new = keyring(&world.target, NEW);
        assert_eq!(opened_columns(&world.database, &new), 50);
        world.rollback(&options).unwrap();
        assert_eq!(opened_columns(&world.database, &old), 50);
    }
}

fn opened_columns(database: &Database<'_>, keyring: &Keyring) -> usize {
    let rows =
        database.psql("SELECT id, encode(ct, 'hex'), encode(iv, 'hex'), encode(tag, 'hex') FROM secrets WHERE id < 50");
    let open = |line: &&str| {
        let mut fields = line.split('|');
        let id = fields.next().unwrap();
        let columns: Vec<_> = fields.map(|field| hex::decode(field).unwrap()).collect();
        let parts: Vec<_> = columns.iter().map(|column| Some(column.as_slice())).collect();
        keyring.open(&parts, b"").is_ok_and(|opened| opened.plaintext() == format!("secret of {id}").as_bytes())
    };
    rows.lines().filter(open).count()
}

#[test]
fn a_value_that_is_bound_to_its_row_stays_bound_to_it() {
    for columns in
        ["id int PRIMARY KEY, value text, tenant text DEFAULT 'acme'", "id int, value text, tenant text DEFAULT 'acme'"]
    {
        let mut world = World::new(Major::V18, columns);
        world.target.aad = "{schema}.{table}.{column}:{tenant}/{id}".parse().unwrap();
        let ids: Vec<_> = (0..40).map(|id| id.to_string()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let aad = |id: &str| format!("public.secrets.value:acme/{id}").into_bytes();
        insert(&world, &ids, |old, id| format!("'{}'", old.encrypt(id.as_bytes(), &aad(id)).unwrap().text().unwrap()));
        // A value that was copied to another row opens there no more than before.
        world.database.psql("INSERT INTO secrets SELECT 100, value FROM secrets WHERE id = 5");
        for options in [small(), mode(Mode::Staged)] {
            let mut summary = world.run(&options).unwrap();
            if options.mode == Some(Mode::Staged) {
                summary = world.run(&cut_over()).unwrap();
            }
            let counts = summary.targets[0].counts;
            assert_eq!((counts.rotated, counts.failed_authentication), (40, 1), "{columns}: {summary:?}");
            let new = keyring(&world.target, NEW);
            let values: BTreeMap<_, _> = world
                .database
                .psql("SELECT id || ' ' || value FROM secrets WHERE id < 100")
                .lines()
                .map(|line| line.split_once(' ').map(|(id, value)| (id.to_owned(), value.to_owned())).unwrap())
                .collect();
            assert!(
                values.iter().all(|(id, value)| new.open(&[Some(value.as_bytes())], &aad(id)).is_ok()),
                "{columns}"
            );
            world.rollback(&options).unwrap();
        }
    }
}

#[test]
fn several_columns_of_a_database_are_one_run() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text, second text", 200);
    world.database.psql("UPDATE secrets SET second = value WHERE id < 100");
    let targets = [world.target.clone(), crate::world::target("secrets", "second")];
    let options = SweepOptions { jobs: Some(2), ..small() };
    let summary =
        lifeboat_tests::run(lifeboat_rotate::sweep::run(&world.settings(), &targets, &options, &crate::world::job()))
            .unwrap();
    let rotated: Vec<_> = summary.targets.iter().map(|target| target.counts.rotated).collect();
    assert_eq!(rotated, [200, 100]);
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn keys_of_a_fixed_length_lead_on() {
    for key in ["char(26)", "bit(12)"] {
        for options in [small(), mode(Mode::Offline)] {
            let world = World::new(Major::V15, "id int, value text");
            let plain = crate::world::plain(400);
            world.fill(OLD, &plain);
            let text = if key == "bit(12)" { "id::bit(12)" } else { "lpad(id::text, 26, 'A')" };
            world.database.psql(&format!(
                "ALTER TABLE secrets ADD k {key}; UPDATE secrets SET k = {text}; ALTER TABLE secrets ADD PRIMARY KEY (k)"
            ));
            let summary = world.run(&options).unwrap();
            assert_eq!(summary.targets[0].counts.rotated, 400, "{key}");
            same(&world.opened(NEW), &plain, key);
        }
    }
}
