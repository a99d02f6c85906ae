//! The dump method.

use lifeboat_backup::MethodChoice;

use super::setting::{Misfit, Setting, quoted};

impl Setting for MethodChoice {
    const EXPECTED: &'static str = "a dump method";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let known = [Self::Auto, Self::Stream, Self::Parallel];
        known.into_iter().find(|method| name(*method) == text).ok_or_else(|| {
            Misfit::new(format!("{text:?} is no dump method"))
                .help("this release knows \"auto\", \"parallel\" and \"stream\"")
        })
    }

    fn show(&self) -> String {
        quoted(name(*self))
    }
}

/// The name in the configuration.
fn name(method: MethodChoice) -> &'static str {
    match method {
        MethodChoice::Auto => "auto",
        MethodChoice::Stream => "stream",
        MethodChoice::Parallel => "parallel",
    }
}
