//! Flags before environment before file.

use super::environment::Environment;
use super::origin::{Origin, Sourced};
use super::problems::{Place, Problems};
use super::setting::Setting;

/// The value of an option of the command line, with the option's name.
pub(crate) type Flag<'a> = (&'static str, Option<&'a str>);

/// The two upper layers, and where their misfits go.
pub(crate) struct Layers<'a> {
    /// The environment.
    pub(crate) environment: &'a Environment,
    /// What is wrong so far.
    pub(crate) problems: &'a mut Problems,
}

impl Layers<'_> {
    /// The strongest layer's value. A value that does not fit is a problem, even where a weaker layer has one.
    pub(crate) fn pick<T: Setting>(
        &mut self,
        flag: Flag<'_>,
        variable: &'static str,
        file: Option<Sourced<T>>,
    ) -> Option<Sourced<T>> {
        let from_flag = flag.1.map(|text| (text, flag.0, Origin::Flag(flag.0)));
        let from_env = || self.environment.var(variable).map(|text| (text, variable, Origin::Env(variable)));
        let Some((text, name, origin)) = from_flag.or_else(from_env) else { return file };
        match T::from_text(text) {
            Ok(value) => Some(Sourced { value, origin }),
            Err(misfit) => {
                self.problems.add(Place::Named(name), misfit);
                None
            }
        }
    }
}
