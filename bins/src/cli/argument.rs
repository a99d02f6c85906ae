//! Arguments are visible to every user of the machine: a password in one is refused before anything else happens.

use std::ffi::OsString;

use lifeboat_core::{Error, Kind, Result};

use crate::config::password::passwords_in;

/// Refuses arguments that carry a password; says which, never what it is.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn refuse_passwords(args: &[OsString]) -> Result<()> {
    let Some(at) = args.iter().position(|arg| !passwords_in(&arg.to_string_lossy()).is_empty()) else { return Ok(()) };
    Err(Error::new(Kind::Usage, format!("accept argument {at}: it carries a password")).hint(
        "every user of this machine can read arguments; write env:NAME, file:/path or credential:NAME instead, \
               and change that password",
    ))
}

#[cfg(test)]
mod tests {
    use super::refuse_passwords;

    #[test]
    fn a_password_in_an_argument_is_refused_and_not_repeated() {
        let args = ["lifeboat", "restore", "latest", "--into=postgres://a:hunter2@h/d"].map(Into::into);
        let error = refuse_passwords(&args).unwrap_err();
        assert_eq!(error.to_string(), "accept argument 3: it carries a password");
        assert!(!format!("{error:?}{:?}", error.help()).contains("hunter2"));
        assert!(refuse_passwords(&["lifeboat", "--into", "env:DATABASE_URL"].map(Into::into)).is_ok());
    }
}
