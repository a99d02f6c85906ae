//! Databases in other encodings than UTF-8, with names, definitions and rows that are not ASCII.

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::{Database, Depot, Major, Postgres, Way, every_method, every_way, unused_name};

fn encoded(major: Major, encoding: &str) -> Database<'static> {
    let server = Postgres::shared(major);
    let name = unused_name(&encoding.to_lowercase());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
    server.psql("postgres", &create);
    server.adopt(&name)
}

/// `Ã©` is in LATIN1 what `é` is in UTF-8: who guesses by looks gets it wrong.
const NAMES: &str = r#"
SET client_encoding = 'UTF8';
CREATE SCHEMA "schön";
CREATE TABLE "schön"."Ã©" ("größe" int, "£" text DEFAULT 'ä', id serial);
INSERT INTO "schön"."Ã©" ("größe", "£") SELECT i, 'Zeile ñ ' || i FROM generate_series(1, 1000) i;
CREATE TABLE "schön"."é" ("größe" int);
INSERT INTO "schön"."é" VALUES (1);
CREATE TABLE plain (text text);
INSERT INTO plain VALUES ('ÿ'), (E'\\.'), ('Å');
CREATE FUNCTION "grüß"() RETURNS text LANGUAGE sql AS $é$ SELECT 'Grüß Gott; é'::text $é$;
CREATE VIEW "sicht über" AS SELECT 'Ü'::text AS "Ö", "£" FROM "schön"."Ã©";
COMMENT ON TABLE "schön"."Ã©" IS 'Bemerkung: ½';
CREATE INDEX "schlüssel" ON "schön"."Ã©" (("£" || 'ß'));
SELECT lo_from_bytea(0, '\xe9');
"#;

fn comes_back(way: Way, original: &Database<'_>) {
    let depot = Depot::file().by(way);
    let backup = depot.backup(original);
    let restored = depot.restore(original.server, &[]);
    assert_same(original, &restored);
    let index = depot.index(&backup);
    assert!(index.relations.iter().any(|relation| relation.schema == "schön" && relation.name == "Ã©"));
    let sequence = index.sequences.iter().find(|sequence| sequence.schema == "schön");
    assert_eq!(sequence.map(|sequence| sequence.name.as_str()), Some("Ã©_id_seq"), "{:?}", index.sequences);
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
}

every_way!(a_latin1_script_goes_by_hand_and_through_cat_into_stock_psql);
// To who seals, a script is bytes in any encoding.
every_method!(latin1_comes_back_on_15, latin1_comes_back_on_18, sql_ascii_comes_back_with_rows_in_no_encoding_at_all,);

fn latin1_comes_back_on_15(way: Way) {
    let original = encoded(Major::V15, "LATIN1");
    original.psql(NAMES);
    comes_back(way, &original);
}

fn latin1_comes_back_on_18(way: Way) {
    let original = encoded(Major::V18, "LATIN1");
    original.psql(NAMES);
    comes_back(way, &original);
}

fn sql_ascii_comes_back_with_rows_in_no_encoding_at_all(way: Way) {
    let original = encoded(Major::V15, "SQL_ASCII");
    original.psql(NAMES);
    let raw = b"SET client_encoding = 'SQL_ASCII'; INSERT INTO plain VALUES ('\xff\xfe\xc3'), ('\xe9t\xe9')";
    let output = original.feed(raw);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    comes_back(way, &original);
}

#[test]
fn a_database_in_another_encoding_is_refused_as_target() {
    let original = encoded(Major::V15, "LATIN1");
    original.psql(NAMES);
    let depot = Depot::file();
    depot.backup(&original);
    let target = original.server.database("utf8");
    let outcome = depot.restore_command(original.server, &target.name).run().expect(40);
    assert!(outcome.text().contains("LATIN1") && outcome.text().contains("UTF8"), "{}", outcome.text());
    assert_eq!(
        target.psql(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT LIKE 'pg_%' AND schemaname <> 'information_schema'"
        ),
        "0"
    );
}

fn a_latin1_script_goes_by_hand_and_through_cat_into_stock_psql(way: Way) {
    let original = encoded(Major::V15, "LATIN1");
    original.psql(NAMES);
    let depot = Depot::file().by(way);
    let backup = depot.backup(&original);
    for script in [depot.script_by_hand(&backup), depot.printed()] {
        let copy = encoded(Major::V15, "LATIN1");
        let fed = copy.feed(&script);
        assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
        assert_same_but_settings(&original, &copy);
    }
}
