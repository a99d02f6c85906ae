//! How backups are compressed.

use lifeboat_core::manifest::Compression;

use super::setting::{Misfit, Setting, quoted};

impl Setting for Compression {
    const EXPECTED: &'static str = "a compression";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        [Self::Gzip, Self::Zstd].into_iter().find(|compression| compression.name() == text).ok_or_else(|| {
            Misfit::new(format!("{text:?} is no compression")).help("this release knows \"gzip\" and \"zstd\"")
        })
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}
