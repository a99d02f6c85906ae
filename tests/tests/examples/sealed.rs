//! Values as the products write them, in the columns that the examples declare.

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::ColumnKey;
use lifeboat_tests::Postgres;
use toml::{Table, Value};

use crate::products::Product;

/// An encrypted column of a product.
pub(crate) struct Sealed {
    pub(crate) dbname: String,
    pub(crate) table: String,
    pub(crate) column: String,
    layout: String,
    format: String,
}

impl Sealed {
    /// Those that the example declares.
    pub(crate) fn all(product: Product) -> Vec<Sealed> {
        let configuration = product.configuration();
        let Some(rotate) = configuration.get("rotate").and_then(Value::as_table) else { return Vec::new() };
        let text = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let databases = product.databases();
        let sealed = |column: &Value| {
            let column = column.as_table().unwrap();
            let named = text(column, "database");
            let database = databases.iter().find(|database| named.is_empty() || database.name == named);
            Sealed {
                dbname: database.unwrap().dbname.clone(),
                table: text(column, "table"),
                column: text(column, "column"),
                layout: text(column, "layout"),
                format: text(rotate, "key_format"),
            }
        };
        rotate["column"].as_array().unwrap().iter().map(sealed).collect()
    }

    /// What the product encrypts and opens with.
    pub(crate) fn keyring(&self, secret: &str) -> Keyring {
        let key = ColumnKey::derive(&secret.to_owned().into(), &self.format.parse().unwrap()).unwrap();
        Keyring::new(self.layout.parse().unwrap(), key).unwrap()
    }

    /// Where its values lie.
    fn places(&self, server: &Postgres) -> Vec<String> {
        let (table, column) = (&self.table, &self.column);
        let found = server.psql(&self.dbname, &format!("SELECT ctid FROM {table} WHERE {column} <> '' ORDER BY ctid"));
        found.lines().map(str::to_owned).collect()
    }

    /// Puts ciphertexts into the place of what the fixture has.
    pub(crate) fn fill(&self, server: &Postgres, secret: &str) {
        let keyring = self.keyring(secret);
        let write = |(at, place): (usize, String)| {
            let stored = keyring.encrypt(format!("secret {at} of {}", self.column).as_bytes(), b"").unwrap();
            let (table, column, value) = (&self.table, &self.column, stored.text().unwrap());
            format!("UPDATE {table} SET {column} = '{value}' WHERE ctid = '{place}';")
        };
        let script: String = self.places(server).into_iter().enumerate().map(write).collect();
        server.psql(&self.dbname, &script);
    }

    /// SQL that writes one of its values anew.
    pub(crate) fn written_anew(&self, secret: &str, text: &str) -> String {
        let stored = self.keyring(secret).encrypt(text.as_bytes(), b"").unwrap();
        let (table, column, value) = (&self.table, &self.column, stored.text().unwrap());
        let place = format!("SELECT ctid FROM {table} WHERE {column} <> '' LIMIT 1");
        format!("UPDATE {table} SET {column} = '{value}' WHERE ctid = ({place});\n")
    }

    /// How many values there are, and how many of them a key opens.
    pub(crate) fn opened(&self, server: &Postgres, secret: &str) -> (usize, usize) {
        let (keyring, column) = (self.keyring(secret), &self.column);
        let values = server.psql(&self.dbname, &format!("SELECT {column} FROM {} WHERE {column} <> ''", self.table));
        let opens = |value: &&str| keyring.open(&[Some(value.as_bytes())], b"").is_ok();
        (values.lines().count(), values.lines().filter(opens).count())
    }
}
