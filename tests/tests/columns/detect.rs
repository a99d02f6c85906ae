//! `lifeboat rotate columns detect` on tables of several shapes.

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{ColumnKey, KeyFormat};
use lifeboat_tests::servers::postgres::Database;
use lifeboat_tests::{Lifeboat, Major, Outcome, Postgres};
use serde_json::Value;

const OLD: &str = "an old secret of the application, which is no hex";

/// Values as the application writes them: one part for each column, as SQL.
struct Writer(Keyring);

impl Writer {
    fn new(layout: &str, format: &str) -> Self {
        let key = ColumnKey::derive(&OLD.to_owned().into(), &format.parse::<KeyFormat>().unwrap()).unwrap();
        Self(Keyring::new(layout.parse().unwrap(), key).unwrap())
    }

    fn parts(&self, plaintext: &str, aad: &str) -> Vec<String> {
        let stored = self.0.encrypt(plaintext.as_bytes(), aad.as_bytes()).unwrap();
        let sql = |bytes: &Vec<u8>| match str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => format!("'{}'", text.replace('\'', "''")),
            _ => format!("'\\x{}'", hex::encode(bytes)),
        };
        let bytes = self.0.layout().to_string().contains("bytes(");
        let hex = |bytes: &Vec<u8>| format!("'\\x{}'", hex::encode(bytes));
        stored.columns().iter().map(if bytes { hex } else { sql }).collect()
    }
}

fn database() -> Database<'static> {
    Postgres::shared(Major::V15).database("detect")
}

fn detect(database: &Database<'_>, arguments: &[&str]) -> Outcome {
    let command = Lifeboat::new().args(["rotate", "columns", "detect", "--database-url", "env:DATABASE_URL"]);
    command.args(["--old", "env:OLD_KEY"]).args(arguments).env("DATABASE_URL", database.dsn()).env("OLD_KEY", OLD).run()
}

fn found(database: &Database<'_>, arguments: &[&str]) -> Value {
    let outcome = detect(database, &[arguments, &["--json"]].concat()).expect(0);
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    last["result"]["databases"][0].clone()
}

/// `table.column: layout`, sorted.
fn layouts(found: &Value) -> Vec<String> {
    let columns = found["detection"]["found"].as_array().unwrap().iter();
    let mut named: Vec<_> = columns
        .map(|found| {
            let names: Vec<_> =
                found["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            format!("{}.{}: {}", found["table"].as_str().unwrap(), names.join("+"), found["layout"].as_str().unwrap())
        })
        .collect();
    named.sort();
    named
}

fn insert(database: &Database<'_>, table: &str, columns: &str, rows: impl Iterator<Item = Vec<String>>) {
    let values: Vec<_> = rows.map(|row| format!("({})", row.join(", "))).collect();
    for some in values.chunks(500) {
        database.psql(&format!("INSERT INTO {table} ({columns}) VALUES {}", some.join(", ")));
    }
}

#[test]
fn columns_of_every_type_are_found_with_those_that_nobody_listed() {
    let database = database();
    database.psql(
        "CREATE DOMAIN sealed AS bytea;
         CREATE SCHEMA app;
         CREATE TABLE tokens (id bigint PRIMARY KEY, note text, value varchar(200), blob sealed);
         CREATE TABLE app.\"Settings\" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), doc jsonb, plain jsonb);
         CREATE TABLE spread (a int, b int, config text, nonce text, PRIMARY KEY (b, a));
         CREATE TABLE parts (id int, secret text) PARTITION BY LIST (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1, 2, 3, 4);
         CREATE TABLE digests (id int PRIMARY KEY, sha text)",
    );
    let (text, blob) = (Writer::new("base64(iv tag ct)", "sha256"), Writer::new("bytes(iv/16 ct tag)", "sha256"));
    let row = |n: i32| {
        let value = text.parts(&format!("token {n}"), "").remove(0);
        vec![n.to_string(), "'some words that say nothing of it'".into(), value, blob.parts("blob", "").remove(0)]
    };
    insert(&database, "tokens", "id, note, value, blob", (0..20).map(row));
    let doc = Writer::new("json{smtp.password: \"enc:\" hex(iv) \":\" hex(tag) \":\" hex(ct)}", "sha256");
    let plain = "'{\"theme\": \"dark\", \"text\": \"nothing of interest, but long enough to be tried\"}'";
    let rows = (0..5).map(|n| vec![doc.parts(&format!("password {n}"), "").remove(0), plain.to_owned()]);
    insert(&database, "app.\"Settings\"", "doc, plain", rows);
    let spread = Writer::new("columns{config: hex(ct tag), nonce: hex(iv)}", "sha256");
    let rows = (0..5).map(|n| [vec![n.to_string(), n.to_string()], spread.parts(&format!("config {n}"), "")].concat());
    insert(&database, "spread", "a, b, config, nonce", rows);
    let rows = (1..5).map(|n| vec![n.to_string(), text.parts("in a partition", "").remove(0)]);
    insert(&database, "parts", "id, secret", rows);
    database.psql("INSERT INTO digests SELECT n, encode(sha256(n::text::bytea), 'hex') FROM generate_series(1, 50) n");

    let found = found(&database, &[]);
    let expected = [
        "Settings.doc: json{smtp.password: \"enc:\" hex(iv) \":\" hex(tag) \":\" hex(ct)}",
        "parts.secret: base64(iv tag ct)",
        "spread.config+nonce: columns{config: hex(ct tag), nonce: hex(iv)}",
        "tokens.blob: bytes(iv/16 ct tag)",
        "tokens.value: base64(iv tag ct)",
    ];
    assert_eq!(layouts(&found), expected, "{found:#}");
    assert_eq!(found["detection"]["suspects"], serde_json::json!([]), "{found:#}");
    let configuration = found["configuration"].as_str().unwrap();
    assert!(configuration.contains("table = 'app.\"Settings\"'"), "{configuration}");
}

#[test]
fn a_large_table_is_not_read_whole_and_a_rare_value_is_found() {
    let database = database();
    database.psql(
        "CREATE TABLE big (id bigserial PRIMARY KEY, note text, rare text);
         INSERT INTO big (note) SELECT repeat('word ', 20) FROM generate_series(1, 100000)",
    );
    let value = Writer::new("base64(iv ct tag)", "sha256").parts("rare", "").remove(0);
    database.psql(&format!("UPDATE big SET rare = {value} WHERE id IN (50001, 50003, 70001); ANALYZE big"));
    let found = found(&database, &[]);
    assert_eq!(layouts(&found), ["big.rare: base64(iv ct tag)"]);
    assert!(found["detection"]["rows"].as_u64().unwrap() < 2000, "{found:#}");
}

#[test]
fn an_aad_is_tried_with_the_rows_own_columns() {
    let database = database();
    database.psql("CREATE TABLE bound (tenant text, id int, value text, PRIMARY KEY (tenant, id))");
    let writer = Writer::new("base64url(iv ct tag)", "sha256");
    let rows = (0..9).map(|n| {
        let value = writer.parts("bound", &format!("bound.value:acme/{n}")).remove(0);
        vec!["'acme'".to_owned(), n.to_string(), value]
    });
    insert(&database, "bound", "tenant, id, value", rows);
    let without = found(&database, &[]);
    assert_eq!(layouts(&without), [] as [&str; 0]);
    assert_eq!(without["detection"]["suspects"][0]["column"], "value");
    let with = found(&database, &["--aad", "{table}.{column}:{tenant}/{id}", "--aad", "{id}"]);
    assert_eq!(layouts(&with), ["bound.value: base64url(iv ct tag)"]);
    assert!(with["configuration"].as_str().unwrap().contains("aad = \"{table}.{column}:{tenant}/{id}\""), "{with:#}");
}

#[test]
fn columns_that_share_an_iv_are_both_named_and_not_configured() {
    let database = database();
    database.psql("CREATE TABLE logins (id int PRIMARY KEY, login text, password text, nonce text)");
    let writer = Writer::new("columns{login: base64(ct tag), nonce: hex(iv)}", "sha256");
    let rows = (0..9).map(|n| [vec![n.to_string()], writer.parts("the same for both", "")].concat());
    insert(&database, "logins", "id, login, nonce", rows);
    database.psql("UPDATE logins SET password = login");
    let shared = found(&database, &[]);
    assert_eq!(layouts(&shared), ["logins.login+nonce: columns{login: base64(ct tag), nonce: hex(iv)}"]);
    assert_eq!(shared["detection"]["found"][0]["sharing"], serde_json::json!(["password"]), "{shared:#}");
    assert_eq!(shared["detection"]["suspects"], serde_json::json!([]), "{shared:#}");
    assert_eq!(shared["configuration"], "", "{shared:#}");
    let text = detect(&database, &[]).expect(0).stdout;
    assert!(text.contains("password opens with the IV of this one as well"), "{text}");
}

#[test]
fn what_the_key_opens_and_no_layout_reaches_is_told() {
    let database = database();
    database.psql(
        "CREATE EXTENSION hstore;
         CREATE TYPE login AS (name text, sealed bytea);
         CREATE DOMAIN secrets AS text[];
         CREATE DOMAIN sealed AS bytea;
         CREATE DOMAIN twice AS sealed;
         CREATE TABLE plain (id int PRIMARY KEY, value text, document text);
         CREATE TABLE tags (id int, tags text[], numbers int[], login login)",
    );
    let (value, document) =
        (Writer::new("base64(iv tag ct)", "sha256"), Writer::new("json{iv: hex(iv), d: hex(ct tag)}", "sha256"));
    let row = |n: i32| {
        let text = format!("quite a longer value {n}");
        vec![n.to_string(), value.parts(&text, "").remove(0), document.parts(&text, "").remove(0)]
    };
    insert(&database, "plain", "id, value, document", (0..5).map(row));
    database.psql(
        "CREATE TABLE others AS SELECT id, ARRAY[value, 'short']::secrets AS texts, ARRAY[decode(value, 'base64')] AS bytes,
                hstore('token', value) AS pairs, ('<a>' || value || '</a>')::xml AS page, ROW('x', decode(value, 'base64'))::login AS login,
                decode(value, 'base64')::twice AS twice,
                jsonb_build_object('tokens', jsonb_build_array(value, 'x y'), 'accounts', jsonb_build_array(document::jsonb)) AS doc
           FROM plain;
         DROP TABLE plain;
         INSERT INTO tags SELECT n, ARRAY['a tag', 'https://example.org/a/long/path/to/somewhere.html'], ARRAY[n], ROW('Ada', NULL)::login FROM generate_series(1, 9) n",
    );
    let found = found(&database, &[]);
    assert_eq!(layouts(&found), ["others.twice: bytes(iv tag ct)"], "{found:#}");
    let opened = |one: &Value| format!("{} {} {}", one["place"].as_str().unwrap(), one["opened"], one["sampled"]);
    let mut unreached: Vec<_> = found["detection"]["unreached"].as_array().unwrap().iter().map(opened).collect();
    unreached.sort();
    let expected =
        ["bytes 5 5", "doc.accounts[] 5 5", "doc.tokens[] 5 5", "login 5 5", "page 5 5", "pairs 5 5", "texts 5 5"];
    assert_eq!(unreached, expected, "{found:#}");
    assert_eq!(found["detection"]["suspects"], serde_json::json!([]), "{found:#}");
    let text = detect(&database, &[]).expect(0).stdout;
    assert!(
        text.contains("public.others.texts: 5 of 5 values opened") && text.contains("no rotation reaches these"),
        "{text}"
    );
    let command =
        Lifeboat::new().args(["rotate", "detect", "--database-url", "env:DATABASE_URL", "--old", "env:OLD_KEY"]);
    let text = command.env("DATABASE_URL", database.dsn()).env("OLD_KEY", "quite another").run().expect(0).stdout;
    for place in ["texts", "bytes", "pairs", "page", "login", "doc.tokens[]", "doc.accounts[].d"] {
        assert!(text.contains(&format!("public.others.{place}: random bytes")), "{place}: {text}");
    }
    assert!(!text.contains("public.tags"), "{text}");
}

#[test]
fn what_may_not_be_read_is_told_and_the_rest_is_looked_at() {
    let database = database();
    database.psql(
        "CREATE TABLE closed (id int PRIMARY KEY, value text);
         CREATE TABLE hidden (id int PRIMARY KEY, value text);
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
         CREATE TABLE open (id int PRIMARY KEY, value text)",
    );
    let value = Writer::new("base64(iv tag ct)", "sha256").parts("readable", "").remove(0);
    database.psql(&format!("INSERT INTO open VALUES (1, {value}); INSERT INTO hidden VALUES (1, {value})"));
    let role = format!("{}_reader", database.name);
    database.psql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reads'; GRANT SELECT ON open, hidden TO {role}"));
    let command = Lifeboat::new().args(["rotate", "columns", "detect", "--database-url", "env:DATABASE_URL"]);
    let dsn = database.server.dsn_as(&role, "reads", &database.name);
    let outcome = command.args(["--old", "env:OLD_KEY"]).env("DATABASE_URL", dsn).env("OLD_KEY", OLD).run().expect(0);
    database.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert!(outcome.stdout.contains("public.open.value: 1 of 1 value opened"), "{}", outcome.stdout);
    let left_out = outcome.stdout.split("Not looked at:").nth(1).expect("a list");
    assert!(left_out.contains("public.closed.value: no right to read it"), "{}", outcome.stdout);
    assert!(left_out.contains("public.hidden: ") && left_out.contains("row-level security"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains(OLD), "the key is not told");
}

#[test]
fn another_key_opens_nothing_and_a_table_that_is_not_there_is_refused() {
    let database = database();
    database.psql("CREATE TABLE tokens (id int PRIMARY KEY, value text)");
    let writer = Writer::new("base64(iv tag ct)", "sha256");
    insert(&database, "tokens", "id, value", (0..9).map(|n| vec![n.to_string(), writer.parts("x", "").remove(0)]));
    let command =
        Lifeboat::new().args(["rotate", "detect", "--database-url", "env:DATABASE_URL", "--old", "env:OLD_KEY"]);
    let outcome = command.env("DATABASE_URL", database.dsn()).env("OLD_KEY", "quite another").run().expect(0);
    assert!(outcome.stdout.contains("the key opens nothing there"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("public.tokens.value: random bytes"), "{}", outcome.stdout);
    let outcome = detect(&database, &["--table", "absent"]).expect(10);
    assert!(outcome.stderr.contains("look at public.absent"), "{}", outcome.stderr);
}
