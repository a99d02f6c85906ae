//! How to connect to a database: a reference to a connection string, or one that carries no password.

use std::fmt;

use lifeboat_core::Result;
use secrecy::SecretString;

use super::environment::Environment;
use super::password::passwords_in;
use super::secret_ref::SecretRef;
use super::setting::{Misfit, Setting, quoted};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// The whole connection string is a secret.
    Secret(SecretRef),
    /// A URI or `key=value` string; the password, if any, comes from `PGPASSWORD` or the password file.
    Plain(String),
}

impl DatabaseUrl {
    /// The reference, where it is one.
    pub(crate) fn reference(&self) -> Option<&SecretRef> {
        match self {
            Self::Secret(reference) => Some(reference),
            Self::Plain(_) => None,
        }
    }

    /// The connection string.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`].
    pub(crate) async fn resolve(&self, environment: &Environment) -> Result<SecretString> {
        match self {
            Self::Secret(reference) => reference.resolve(environment).await,
            Self::Plain(text) => Ok(SecretString::from(text.as_str())),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(reference) => reference.fmt(f),
            Self::Plain(text) => f.write_str(text),
        }
    }
}

impl Setting for DatabaseUrl {
    const EXPECTED: &'static str = "a connection string or a reference to one";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        if SecretRef::is_reference(text) {
            return SecretRef::from_text(text).map(Self::Secret);
        }
        if !passwords_in(text).is_empty() {
            return Err(Misfit::new("the connection string carries a password").help(PASSWORD_HELP).secret());
        }
        let is_dsn = text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains('=');
        if is_dsn {
            Ok(Self::Plain(text.to_owned()))
        } else {
            Err(Misfit::new("this is no connection string").help(HELP).secret())
        }
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

const HELP: &str = "write env:NAME, file:/path, postgresql://user@host/database or \"host=… dbname=…\"";
const PASSWORD_HELP: &str = "put the whole string into a variable or a private file and write env:NAME or file:/path here, \
                             or leave the password to PGPASSWORD or ~/.pgpass";

#[cfg(test)]
mod tests {
    use super::{DatabaseUrl, Setting as _};

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let misfit = DatabaseUrl::from_text("postgres://app:hunter2@db/shop").unwrap_err();
        assert!(misfit.secret && !format!("{misfit:?}").contains("hunter2"));
    }

    #[test]
    fn references_and_strings_without_password_are_accepted() {
        for text in ["env:DATABASE_URL", "file:/run/dsn", "postgresql://app@db/shop", "host=db dbname=shop"] {
            assert_eq!(DatabaseUrl::from_text(text).unwrap().to_string(), text);
        }
        assert!(DatabaseUrl::from_text("shop").is_err());
    }
}
