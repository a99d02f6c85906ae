//! `encrypted_columns`: how much of the declared columns a drill opens.

use std::num::NonZeroU32;

use toml::de::DeValue;

use crate::config::setting::{Misfit, Setting, quoted};

/// How much of the declared columns a drill opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EncryptedColumns {
    /// Every value.
    #[default]
    All,
    /// So many rows of each.
    Rows(NonZeroU32),
    /// Nothing: the keys are not where drills run.
    None,
}

impl Setting for EncryptedColumns {
    const EXPECTED: &'static str = "\"all\", \"none\" or a number of rows";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => {
                NonZeroU32::from_text(text).map(Self::Rows).map_err(|_| Misfit::expected::<Self>(&format!("{text:?}")))
            }
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        match value.as_str() {
            Some(text) => Self::from_text(text),
            None => NonZeroU32::from_toml(value).map(Self::Rows),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::All => quoted("all"),
            Self::None => quoted("none"),
            Self::Rows(rows) => rows.to_string(),
        }
    }
}
