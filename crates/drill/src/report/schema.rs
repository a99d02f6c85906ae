//! `docs/schema/drill-report.json` is made of the report's types, and so cannot say anything else than they do.

use std::borrow::Cow;
use std::{env, fs};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::DrillReport;

/// Types of other crates, as they stand in the document.
macro_rules! text {
    ($($(#[$doc:meta])* $name:ident: $schema:tt;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

text! {
    /// An id of a backup, run or drill.
    Id: {"type": "string", "pattern": "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$"};
    /// A database or a class.
    NameText: {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$", "maxLength": 100};
    /// A moment, UTC.
    Time: {"type": "string", "format": "date-time"};
    /// A digest.
    Sha256: {"type": "string", "pattern": "^[0-9a-f]{64}$"};
    /// A verdict.
    VerdictText: {"enum": ["passed", "failed", "inconclusive"]};
    /// How much was proven.
    ProvenText: {"enum": ["all", "part", "none"]};
}

fn schema() -> String {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<DrillReport>();
    schema.insert("title".to_owned(), "The report of a drill".into());
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_published_schema_is_the_one_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/drill-report.json");
    if env::var_os("LIFEBOAT_SCHEMA").is_some_and(|value| value == "overwrite") {
        fs::write(path, schema()).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == schema(), "run this test with LIFEBOAT_SCHEMA=overwrite");
}

#[test]
fn the_published_example_is_a_report() {
    let example = super::tests::example();
    let written = serde_json::from_slice::<serde_json::Value>(&example.to_json().unwrap()).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(super::tests::EXAMPLE).unwrap());
}
