//! In which encoding rows come, and into which databases they may go.

use std::fmt;

use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use crate::archive::Archive;
use crate::restore::row_encoding;

/// The encoding of a backup's rows.
pub(super) enum Encoding {
    /// Of the database that was backed up.
    Source(String),
    /// The one that a script says. Of which encoding its database was is not known: `pg_dump` prints in any.
    Script(String),
}

/// The encoding of what is restored.
///
/// # Errors
/// Those of reading the beginning of the script, where the index does not tell.
pub(super) async fn of_backup(store: &Store, archive: &Archive, job: &Job) -> Result<Encoding> {
    let encoding = row_encoding(store, archive, job).await?;
    Ok(if archive.index.source.is_some() { Encoding::Source(encoding) } else { Encoding::Script(encoding) })
}

impl Encoding {
    /// Whether a database of this encoding may take the rows. Those of a script the server converts, or refuses with the row; but
    /// in a database without an encoding it takes them as they come, looks at none, and counts bytes for characters.
    pub(super) fn fits_into(&self, database: &str) -> bool {
        match self {
            Self::Source(encoding) => encoding == database,
            Self::Script(encoding) => database != NONE || encoding == NONE,
        }
    }

    /// The encoding that a new database is to have on a server whose own is `default`, where that does not do.
    pub(super) fn of_new_database(&self, default: &str) -> Option<String> {
        match self {
            Self::Script(encoding) if !self.fits_into(default) => {
                Some(if OF_CLIENTS_ONLY.contains(&encoding.as_str()) { "UTF8" } else { encoding }.to_owned())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Source(encoding) | Self::Script(encoding)) = self;
        f.write_str(encoding)
    }
}

/// What `initdb --locale=C` leaves a server with.
const NONE: &str = "SQL_ASCII";
/// No database has them.
const OF_CLIENTS_ONLY: &[&str] = &["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"];

#[cfg(test)]
mod tests {
    use super::Encoding;

    #[test]
    fn a_database_without_an_encoding_takes_nothing_that_has_one() {
        let script = |encoding: &str| Encoding::Script(encoding.into());
        assert!(script("LATIN1").fits_into("UTF8"));
        assert!(script("SQL_ASCII").fits_into("SQL_ASCII"));
        assert!(!script("UTF8").fits_into("SQL_ASCII"));
        assert!(!Encoding::Source("LATIN1".into()).fits_into("UTF8"));
        let created = |encoding: &str, default: &str| script(encoding).of_new_database(default);
        assert_eq!(created("UTF8", "SQL_ASCII").as_deref(), Some("UTF8"));
        assert_eq!(created("SJIS", "SQL_ASCII").as_deref(), Some("UTF8"));
        assert_eq!(created("SQL_ASCII", "SQL_ASCII"), None);
        assert_eq!(created("LATIN1", "UTF8"), None);
    }
}
