//! The dump method.

use lifeboat_core::manifest::Method;

use super::setting::{Misfit, Setting, quoted};

impl Setting for Method {
    const EXPECTED: &'static str = "a dump method";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        match text {
            "stream" => Ok(Self::Stream),
            _ => Err(Misfit::new(format!("{text:?} is no dump method")).help("this release knows \"stream\"")),
        }
    }

    fn show(&self) -> String {
        quoted(name(*self))
    }
}

/// The name in the configuration and in the manifest.
fn name(method: Method) -> &'static str {
    match method {
        Method::Stream => "stream",
        Method::Parallel => "parallel",
    }
}
