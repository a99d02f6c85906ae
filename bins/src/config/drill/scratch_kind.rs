//! `scratch`: what kind of scratch database.

use crate::config::setting::{Misfit, Setting, quoted};

/// What kind of scratch database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ScratchKind {
    /// A throwaway cluster.
    #[default]
    Cluster,
    /// A database on a server that is not production.
    Server,
    /// What a command gives.
    Command,
}

impl Setting for ScratchKind {
    const EXPECTED: &'static str = "a kind of scratch database";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let known = [Self::Cluster, Self::Server, Self::Command];
        known.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Misfit::new(format!("{text:?} is no kind of scratch database"))
                .help("write \"cluster\", \"server\" or \"command\"")
        })
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}

impl ScratchKind {
    fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Server => "server",
            Self::Command => "command",
        }
    }
}
