//! An error for people: the chain once, then what to do about it.

use std::error::Error as _;

use lifeboat_core::Error;

use crate::config::Problems;

/// The error as text. Everything wrong with a configuration is shown with the lines it stands in.
pub(crate) fn render(error: &Error, colour: bool) -> String {
    let (red, bold, plain) = if colour { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    if let Some(problems) = error.source().and_then(|source| source.downcast_ref::<Problems>()) {
        return format!("{}{red}error:{plain} {error}\n", problems.render(colour));
    }
    let hint = error.help().map(|hint| format!("{bold}hint:{plain} {hint}\n")).unwrap_or_default();
    format!("{red}error:{plain} {}\n{hint}", distinct_chain(error))
}

/// The chain on one line. Some libraries repeat their cause's text in their own: what was said already is left out.
pub(crate) fn distinct_chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !said.is_empty() && !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use lifeboat_core::{Error, Kind};

    use super::render;
    use crate::config::Problems;

    #[test]
    fn the_chain_is_printed_once_and_the_hint_last() {
        let cause = io::Error::other("refused");
        let error =
            Error::new(Kind::Database, "connect to db").caused_by(cause).hint("is it up?").while_doing("back up shop");
        assert_eq!(render(&error, false), "error: back up shop: connect to db: refused\nhint: is it up?\n");
    }

    #[test]
    fn problems_of_the_configuration_are_counted() {
        assert_eq!(render(&Problems::default().into(), false), "error: read the configuration: 0 problems\n");
    }
}
