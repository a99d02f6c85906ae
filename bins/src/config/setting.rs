//! What a setting's type must offer: one way to read it from text, whoever wrote the text.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use lifeboat_core::Name;
use toml::de::DeValue;

use super::password::passwords_in;
use crate::output::distinct_chain;

/// Why a value does not fit its setting. Never repeats a value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What is wrong, as a phrase.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// The value must not be shown.
    pub(crate) secret: bool,
    /// The configuration is right, and an argument asks for what is not in it.
    pub(crate) of_arguments: bool,
}

/// A type that settings have. Flags and environment variables are text; the file may use other TOML types.
pub(crate) trait Setting: Sized {
    /// What is expected, as in "a duration such as \"30m\"".
    const EXPECTED: &'static str;

    /// The value that `text` stands for.
    fn from_text(text: &str) -> Result<Self, Misfit>;

    /// The value as `config show` prints it: TOML, and never a secret.
    fn show(&self) -> String;

    /// The value that a TOML value stands for; a string unless the type says otherwise.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        match value.as_str() {
            Some(text) => Self::from_text(text),
            None => Err(Misfit::expected::<Self>(kind_of(value))),
        }
    }
}

impl From<&lifeboat_core::Error> for Misfit {
    fn from(error: &lifeboat_core::Error) -> Self {
        Self { help: error.help().map(str::to_owned), ..Self::new(distinct_chain(error)) }
    }
}

impl Misfit {
    /// A misfit with its phrase.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, secret: false, of_arguments: false }
    }

    /// Says what to write instead.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Marks the value as one that is never shown.
    pub(crate) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Says that the configuration is right, and an argument is not.
    pub(crate) fn of_arguments(self) -> Self {
        Self { of_arguments: true, ..self }
    }

    /// Something else was expected.
    pub(crate) fn expected<T: Setting>(found: &str) -> Self {
        Self::new(format!("expected {}, found {found}", T::EXPECTED))
    }
}

/// The kind of a TOML value, with its article.
pub(crate) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Text as a TOML string.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        if text.is_empty() { Err(Misfit::new("the value is empty")) } else { Ok(text.to_owned()) }
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "an absolute path";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let path = Self::from(text);
        if path.is_absolute() { Ok(path) } else { Err(Misfit::expected::<Self>(&format!("{text:?}"))) }
    }

    fn show(&self) -> String {
        quoted(&self.display().to_string())
    }
}

impl Setting for Name {
    const EXPECTED: &'static str = "a name";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: lifeboat_core::Error| {
            let misfit = Misfit::new(format!("{text:?} cannot be a name in the store"));
            Misfit { help: error.help().map(str::to_owned), ..misfit }
        })
    }

    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|_| Misfit::expected::<Self>(&format!("{text:?}")))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        value.as_bool().ok_or_else(|| Misfit::expected::<Self>(kind_of(value)))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for NonZeroU32 {
    const EXPECTED: &'static str = "a whole number from 1";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|_| Misfit::expected::<Self>(&format!("{text:?}")))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let number = value.as_integer().ok_or_else(|| Misfit::expected::<Self>(kind_of(value)))?;
        Self::from_text(&number.to_string())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration such as \"30m\", \"10s\" or \"1h 30m\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Self::try_from(duration).ok());
        parsed.ok_or_else(|| Misfit::expected::<Self>(&format!("{text:?}")))
    }

    fn show(&self) -> String {
        SignedDuration::try_from(*self)
            .map_or_else(|_| format!("{self:?}"), |duration| quoted(&format!("{duration:#}")))
    }
}

/// A command and its arguments; no shell is involved.
impl Setting for Vec<String> {
    const EXPECTED: &'static str = "a list of words such as [\"docker\", \"exec\", \"-i\", \"db\"]";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let words: Self = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() { Err(Misfit::new("the list is empty")) } else { without_passwords(words) }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let DeValue::Array(array) = value else { return Err(Misfit::expected::<Self>(kind_of(value))) };
        let word = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
        let words = array.iter().map(word).collect::<Option<Self>>();
        let words = words.filter(|words| !words.is_empty());
        without_passwords(words.ok_or_else(|| Misfit::expected::<Self>("something else in it"))?)
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
    }
}

/// Arguments are seen by every user of the host: `env PGPASSWORD=… pg_dump` is no way to log in.
fn without_passwords(words: Vec<String>) -> Result<Vec<String>, Misfit> {
    if words.iter().all(|word| passwords_in(&word.to_ascii_lowercase().replace("pgpassword", "password")).is_empty()) {
        return Ok(words);
    }
    Err(Misfit::new("a password stands in a command line")
        .help("let the tools log in without one, as they do over the socket inside a container"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::Setting;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, secs) in [("30m", 1800), ("10s", 10), ("1h 30m", 5400), ("0s", 0)] {
            assert_eq!(Duration::from_text(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for text in ["", "30", "-5m", "soon"] {
            assert!(Duration::from_text(text).is_err(), "{text}");
        }
        assert_eq!(Duration::from_secs(5400).show(), "\"1h 30m\"");
    }

    #[test]
    fn a_count_of_nothing_is_refused() {
        assert!(NonZeroU32::from_text("0").is_err());
        assert!(NonZeroU32::from_text("-1").is_err());
    }
}
