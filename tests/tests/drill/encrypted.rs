//! The columns that the configuration declares as encrypted have to open.

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{ColumnKey, KeyFormat};
use lifeboat_tests::{Database, Major, Way};
use serde_json::Value;

use crate::world::{World, not_passed, report};

const PLAIN: Way = Way { method: "parallel", sealed: false, compression: "gzip" };
const COLUMN: &str = "[rotate]\nold = \"env:OLD_KEY\"\nnew = \"env:NEW_KEY\"\nkey_format = \"sha256\"\n\
                      [[rotate.column]]\ntable = \"tokens\"\ncolumn = \"value\"\nlayout = \"base64(iv tag ct)\"\n";

fn value(secret: &str, plaintext: &str) -> String {
    let key = ColumnKey::derive(&secret.to_owned().into(), &KeyFormat::Sha256).unwrap();
    let keyring = Keyring::new("base64(iv tag ct)".parse().unwrap(), key).unwrap();
    keyring.encrypt(plaintext.as_bytes(), b"").unwrap().text().unwrap().to_owned()
}

/// 20 values under the new key and 20 under the old one, by turns, and a row that has none.
fn tokens(database: &Database<'_>) {
    database.psql("CREATE TABLE tokens (tenant text, id int, value text, PRIMARY KEY (tenant, id))");
    let rows = (0..40)
        .map(|n| format!("('acme', {n}, '{}')", value(if n % 2 == 0 { "new" } else { "old" }, &format!("token {n}"))));
    database.psql(&format!("INSERT INTO tokens VALUES {}", rows.collect::<Vec<_>>().join(", ")));
    database.psql("INSERT INTO tokens VALUES ('acme', 99, NULL)");
}

fn drilled(world: &World, lines: &str, keys: &[(&str, &str)], code: i32) -> Value {
    let drill = world.drill("run", lines).args(["shop/latest", "--json"]).envs(keys.iter().copied());
    report(&drill.run().expect(code))
}

fn check(report: &Value) -> &Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "encrypted columns").unwrap_or(&Value::Null)
}

#[test]
fn declared_columns_open_with_the_keys_of_today_or_the_drill_says_which_rows_do_not() {
    let world = World::new(Major::V15, PLAIN);
    let shop = world.shop();
    tokens(&shop);
    world.depot.backup(&shop);

    let both = [("NEW_KEY", "new"), ("OLD_KEY", "old")];
    let passed = drilled(&world, COLUMN, &both, 0);
    assert_eq!(check(&passed)["summary"], "40 values opened, 20 of them with the old key", "{passed:#}");

    let some = drilled(&world, &format!("encrypted_columns = 25\n{COLUMN}"), &both, 0);
    assert!(check(&some)["summary"].as_str().unwrap().ends_with("with the old key"), "{some:#}");
    assert_ne!(check(&some)["summary"], check(&passed)["summary"]);

    let failed = drilled(&world, COLUMN, &both[..1], 31);
    assert_eq!(not_passed(&failed), ["encrypted columns"]);
    assert_eq!(check(&failed)["summary"], "20 values opened; 20 did not", "{failed:#}");
    let findings = check(&failed)["findings"].to_string();
    assert!(findings.contains("public.tokens.value [\\\"acme\\\",\\\"21\\\"]: failed authentication"), "{findings}");
    assert!(!findings.contains(&shop.psql("SELECT left(value, 20) FROM tokens WHERE id = 21")), "no value is told");

    let inconclusive = drilled(&world, COLUMN, &[], 32);
    assert_eq!(not_passed(&inconclusive), ["encrypted columns"]);
    assert!(check(&inconclusive)["findings"].to_string().contains("env:NEW_KEY"), "{inconclusive:#}");
    let none = drilled(&world, &format!("encrypted_columns = \"none\"\n{COLUMN}"), &[], 0);
    assert!(check(&none).is_null());
    let absent = drilled(&world, &COLUMN.replace("\"tokens\"", "\"gone\""), &both, 31);
    assert!(check(&absent)["findings"].to_string().contains("public.gone.value: it is not there"), "{absent:#}");
}

/// Of a thousand values the hundred newest are plaintext.
#[test]
fn where_some_rows_are_looked_at_the_newest_are_among_them() {
    let world = World::new(Major::V15, PLAIN);
    let shop = world.shop();
    shop.psql("CREATE TABLE tokens (id int PRIMARY KEY, value text)");
    let values = (0..900).map(|n| format!("({n}, '{}')", value("new", &format!("token {n}"))));
    shop.psql(&format!("INSERT INTO tokens VALUES {}", values.collect::<Vec<_>>().join(", ")));
    shop.psql("INSERT INTO tokens SELECT n, 'typed' FROM generate_series(900, 999) AS n");
    world.depot.backup(&shop);

    let failed = drilled(&world, &format!("encrypted_columns = 200\n{COLUMN}"), &[("NEW_KEY", "new")], 31);
    let summary = check(&failed)["summary"].as_str().unwrap();
    let (opened, rest) = summary.split_once(" values opened; ").unwrap();
    let closed = rest.strip_suffix(" did not").unwrap();
    assert_eq!(opened.parse::<u32>().unwrap() + closed.parse::<u32>().unwrap(), 200, "{failed:#}");
}

#[test]
fn rows_of_partitions_and_of_tables_without_a_key_are_named_as_the_rotation_names_them() {
    let world = World::new(Major::V15, PLAIN);
    let shop = world.shop();
    shop.psql(
        "CREATE TABLE tokens (tenant text, id int, value text) PARTITION BY LIST (tenant);
         CREATE TABLE tokens_acme PARTITION OF tokens (PRIMARY KEY (id)) FOR VALUES IN ('acme');
         CREATE TABLE tokens_rest PARTITION OF tokens DEFAULT;
         INSERT INTO tokens VALUES ('acme', 7, 'typed'), ('zeta', 8, 'typed too')",
    );
    for n in 20..40 {
        let value = value("new", &format!("token {n}"));
        shop.psql(&format!("INSERT INTO tokens VALUES ('{}', {n}, '{value}')", if n < 30 { "acme" } else { "beta" }));
    }
    world.depot.backup(&shop);
    let keys = [("NEW_KEY", "new")];
    let failed = drilled(&world, COLUMN, &keys, 31);
    let findings = check(&failed)["findings"].to_string();
    assert!(findings.contains("public.tokens_acme.value 7: plaintext"), "{findings}");
    assert!(findings.contains("public.tokens_rest.value (0,1): plaintext"), "{findings}");
    assert_eq!(check(&failed)["summary"], "20 values opened; 2 did not");

    let folder = tempfile::TempDir::new().unwrap();
    let list = folder.path().join("given-up");
    std::fs::write(&list, "[public.tokens]\n7\n[public.tokens_rest]\n(0,1)\n").unwrap();
    let accepting = COLUMN.replace("[rotate]\n", &format!("[rotate]\naccept_list = {list:?}\n"));
    let passed = drilled(&world, &accepting, &keys, 0);
    assert_eq!(check(&passed)["summary"], "20 values opened; 2 rows were given up", "{passed:#}");
    let some = drilled(&world, &format!("encrypted_columns = 8\n{accepting}"), &keys, 0);
    assert_ne!(check(&some)["summary"], check(&passed)["summary"]);
}

#[test]
fn a_column_in_which_nothing_opened_is_told_and_where_no_layout_leads_anywhere_is_no_pass() {
    let world = World::new(Major::V15, PLAIN);
    let shop = world.shop();
    tokens(&shop);
    shop.psql(
        "CREATE TABLE settings (id int PRIMARY KEY, document jsonb, later text);
         INSERT INTO settings VALUES (1, '{\"smtp\": {\"password\": \"x\"}}', ''), (2, NULL, NULL)",
    );
    world.depot.backup(&shop);
    let other = |column: &str, layout: &str| {
        format!("{COLUMN}[[rotate.column]]\ntable = \"settings\"\ncolumn = \"{column}\"\nlayout = \"{layout}\"\n")
    };
    let keys = [("NEW_KEY", "new"), ("OLD_KEY", "old")];
    let passed = drilled(&world, &other("later", "base64(iv tag ct)"), &keys, 0);
    assert_eq!(check(&passed)["findings"][0], "public.settings.later: it holds no values", "{passed:#}");

    let nowhere = "json{smtp.pasword: base64(iv tag ct)}";
    let told = format!("public.settings.document: something is in 1 row, and nothing where the layout {nowhere} looks");
    let passed = drilled(&world, &other("document", nowhere), &keys, 0);
    assert_eq!(check(&passed)["summary"], "40 values opened, 20 of them with the old key", "{passed:#}");
    assert_eq!(check(&passed)["findings"][0], told.as_str(), "{passed:#}");

    let alone = other("document", nowhere)
        .replace("[[rotate.column]]\ntable = \"tokens\"\ncolumn = \"value\"\nlayout = \"base64(iv tag ct)\"\n", "");
    let inconclusive = drilled(&world, &alone, &keys, 32);
    assert_eq!(not_passed(&inconclusive), ["encrypted columns"]);
    assert_eq!(check(&inconclusive)["findings"][0], told.as_str(), "{inconclusive:#}");
}
