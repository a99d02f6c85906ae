//! How an operator names a backup.

use std::str::FromStr;

use lifeboat_core::{Error, Kind, Name, Result};

/// `[DATABASE/]ID`, a unique prefix of an id, or `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRef {
    /// The database, where it is named.
    pub database: Option<Name>,
    /// Which of its backups.
    pub which: Which,
}

/// Which backup of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest, over all classes.
    Latest,
    /// The one whose id begins so.
    Prefix(String),
}

impl FromStr for BackupRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            let hint = match text.parse::<Name>() {
                Ok(database) => format!("the newest backup of {database} is {database}/latest"),
                Err(_) => "name it by shop/latest, shop/20261121T021700Z-7f3a9c, or the beginning of its id".to_owned(),
            };
            Error::new(Kind::Usage, format!("read {text:?} as the name of a backup")).hint(hint)
        };
        let (database, which) = match text.split_once('/') {
            Some((database, which)) => (Some(database.parse().map_err(|_| refused())?), which),
            None => (None, text),
        };
        let digits = which.bytes().all(|b| b.is_ascii_digit() || b"TZabcdef-".contains(&b));
        let which = match which {
            "latest" => Which::Latest,
            prefix if !prefix.is_empty() && prefix.starts_with(|c: char| c.is_ascii_digit()) && digits => {
                Which::Prefix(prefix.to_owned())
            }
            _ => return Err(refused()),
        };
        Ok(Self { database, which })
    }
}

impl std::fmt::Display for BackupRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{database}/")?;
        }
        match &self.which {
            Which::Latest => f.write_str("latest"),
            Which::Prefix(prefix) => f.write_str(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::BackupRef;

    #[test]
    fn the_forms_of_a_name_are_read_back() {
        for text in ["latest", "shop/latest", "20261121T021700Z-7f3a9c", "shop/2026"] {
            assert_eq!(text.parse::<BackupRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_backup_is_refused() {
        for text in ["", "shop/", "shop", "Shop/latest", "shop/latest/x", "../latest", "shop/newest"] {
            assert_eq!(text.parse::<BackupRef>().unwrap_err().kind(), Kind::Usage, "{text}");
        }
        let error = "shop".parse::<BackupRef>().unwrap_err();
        assert_eq!(error.help(), Some("the newest backup of shop is shop/latest"));
    }
}
