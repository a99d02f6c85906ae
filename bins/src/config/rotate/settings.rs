//! How what is said of encrypted columns is read and shown.

use lifeboat_rotate::columns::{AadTemplate, KeyFormat, Layout};
use lifeboat_rotate::sweep::{Mode, TableName};

use crate::config::setting::{Misfit, Setting, quoted};

impl Setting for Layout {
    const EXPECTED: &'static str = "a layout such as \"base64(iv tag ct)\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for KeyFormat {
    const EXPECTED: &'static str = "a key format such as \"hex\", \"sha256\" or \"scrypt(N=16384, r=8, p=1)\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for AadTemplate {
    const EXPECTED: &'static str = "a template such as \"{table}.{column}:{id}\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for TableName {
    const EXPECTED: &'static str = "a table such as \"secrets\" or \"app.secrets\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Mode {
    const EXPECTED: &'static str = "a mode: \"online\", \"staged\" or \"offline\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| Misfit::from(&error))
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}
