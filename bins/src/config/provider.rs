//! `provider`, `checksum` and `deletes` of `[store]`.

use lifeboat_core::Error;
use lifeboat_core::store::{Checksum, Deletes, Provider};

use super::setting::{Misfit, Setting, quoted};

impl Setting for Provider {
    const EXPECTED: &'static str = "the name of a provider";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: Error| known(&error, format!("{text:?} is no provider that is known")))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Checksum {
    const EXPECTED: &'static str = "the name of a checksum";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: Error| known(&error, format!("{text:?} is no checksum that is known")))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Deletes {
    const EXPECTED: &'static str = "what deleting takes";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: Error| known(&error, format!("{text:?} is nothing that deleting can take")))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

fn known(error: &Error, message: String) -> Misfit {
    Misfit { help: error.help().map(str::to_owned), ..Misfit::new(message) }
}
