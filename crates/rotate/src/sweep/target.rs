//! What is rotated: a column of a table, what it holds, and its two keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use lifeboat_backup::restore;
use lifeboat_core::{Error, Result};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Keyring;
use crate::columns::derivation::Doubt;
use crate::columns::{AadTemplate, ColumnKey, KeyFormat, Layout};

/// A table, by schema and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl FromStr for TableName {
    type Err = Error;

    /// Reads `table` (in the schema `public`) or `schema.table` as SQL does, and as `restore --table` does: `Orders` is `orders`,
    /// and `"Orders"` stands in double quotes.
    fn from_str(text: &str) -> Result<Self> {
        let restore::TableName { schema, name } = text.parse()?;
        Ok(Self { schema: schema.unwrap_or_else(|| "public".to_owned()), name })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        restore::TableName { schema: Some(self.schema.clone()), name: self.name.clone() }.fmt(f)
    }
}

/// Encrypted values of a table and the keys they go from and to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table, partitioned or not.
    pub table: TableName,
    /// The column. None: the layout names its columns.
    pub column: Option<String>,
    /// What a value looks like.
    pub layout: Layout,
    /// The columns by which rows are named. None: the primary key, else a unique index, else the place of the row.
    pub key_columns: Option<Vec<String>>,
    /// What else is authenticated.
    pub aad: AadTemplate,
    /// The two keys.
    pub keys: Arc<KeyPair>,
}

impl Target {
    /// The columns that hold a value, in the layout's order.
    #[must_use]
    pub fn value_columns(&self) -> Vec<String> {
        let named = self.layout.columns().filter_map(|(name, _)| name.map(str::to_owned));
        self.column.iter().cloned().chain(named).collect()
    }

    /// What stands for `{column}` in an AAD, and names the target: its column, or the first of several.
    #[must_use]
    pub fn column_name(&self) -> String {
        self.value_columns().into_iter().next().unwrap_or_default()
    }

    /// The keyring of a rotation from the old to the new key.
    ///
    /// # Errors
    /// When a secret does not have its format, when a key does not fit the layout, and when both keys are the same.
    pub fn keyring(&self) -> Result<Keyring> {
        Keyring::new(self.layout.clone(), self.new_key()?)?.enable(self.old_key()?)
    }

    /// The keyring of the way back.
    ///
    /// # Errors
    /// As [`Target::keyring`].
    pub fn keyring_back(&self) -> Result<Keyring> {
        Keyring::new(self.layout.clone(), self.old_key()?)?.enable(self.new_key()?)
    }

    /// The keyring of the new key alone.
    ///
    /// # Errors
    /// As [`Target::keyring`].
    pub fn keyring_new(&self) -> Result<Keyring> {
        Keyring::new(self.layout.clone(), self.new_key()?)
    }

    fn old_key(&self) -> Result<ColumnKey> {
        self.keys.old.derive().map_err(|error| error.while_doing("take the old key"))
    }

    fn new_key(&self) -> Result<ColumnKey> {
        self.keys.new.derive().map_err(|error| error.while_doing("take the new key"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.value_columns().iter().map(|column| plain(column)).collect();
        write!(f, "{}.{}", self.table, columns.join("+"))
    }
}

/// The keys of a rotation.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// What values are under before.
    pub old: KeySource,
    /// What they are under afterwards.
    pub new: KeySource,
}

/// A secret and how a key is made of it.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// The secret, redacted in `Debug`.
    pub secret: SecretString,
    /// How the application makes its key of it.
    pub format: KeyFormat,
    /// The id by which values name it, where the layout holds one.
    pub id: Option<String>,
}

impl KeySource {
    /// The key.
    ///
    /// # Errors
    /// [`Kind::Config`](lifeboat_core::Kind::Config) when the secret does not have the format.
    pub fn derive(&self) -> Result<ColumnKey> {
        let key = ColumnKey::derive(&self.secret, &self.format)?;
        Ok(self.id.iter().fold(key, |key, id| key.with_id(id.clone())))
    }

    /// What is doubtful about the secret.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.format.doubt(&self.secret)
    }
}

/// A column as it is written in ours: in quotes only where a dot or a quote is in it.
fn plain(name: &str) -> String {
    if name.contains(['.', '"']) || name.is_empty() {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::TableName;

    #[test]
    fn names_are_read_as_sql_reads_them_and_shown_as_they_can_be_written() {
        for (text, schema, name) in [
            ("secrets", "public", "secrets"),
            ("App.Secrets", "app", "secrets"),
            ("\"User\"", "public", "User"),
            ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d"),
        ] {
            let table: TableName = text.parse().unwrap();
            assert_eq!((table.schema.as_str(), table.name.as_str()), (schema, name));
            assert_eq!(table.to_string().parse::<TableName>().unwrap(), table);
        }
        for wrong in ["", ".", "a.", "a.b.c", "a\"b\"", "\"\"", "my-table"] {
            assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
        }
    }
}
