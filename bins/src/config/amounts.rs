//! Amounts as people write them: sizes, parts of a whole, settings of a server.

use super::setting::{Misfit, Setting, quoted};

/// A size such as `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(u64);

impl Size {
    /// So many bytes.
    pub(crate) fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl Setting for Size {
    const EXPECTED: &'static str = "a size such as \"64MiB\" or \"4GiB\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let read = || {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let shift = UNITS.iter().find(|(unit, _)| *unit == text[digits..].trim_start())?.1;
            text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift)
        };
        read().map(Self).ok_or_else(|| Misfit::expected::<Self>(&format!("{text:?}")))
    }

    fn show(&self) -> String {
        let fits = |shift: u32| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        let (unit, shift) = UNITS.iter().rev().find(|(_, shift)| fits(*shift)).unwrap_or(&UNITS[0]);
        quoted(&format!("{}{unit}", self.0 >> shift))
    }
}

/// A part of a whole, such as `50%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percent(u8);

impl Percent {
    /// From 0 to 1.
    pub(crate) fn part(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Setting for Percent {
    const EXPECTED: &'static str = "a percentage from \"0%\" to \"100%\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        number.filter(|number| *number <= 100).map(Self).ok_or_else(|| Misfit::expected::<Self>(&format!("{text:?}")))
    }

    fn show(&self) -> String {
        quoted(&format!("{}%", self.0))
    }
}

/// The name and the value of a setting, from `name = value`; quotes around the value are not part of it.
pub(crate) fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
    let fits = !name.is_empty() && name.chars().all(is_name) && !value.contains(['\n', '\'']);
    fits.then(|| (name.to_owned(), value.to_owned()))
}

const UNITS: [(&str, u32); 5] = [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

#[cfg(test)]
mod tests {
    use super::{Percent, Setting as _, Size, assignment};

    #[test]
    fn sizes_and_percentages_are_read_and_shown_as_they_are_written() {
        for (text, bytes) in [("64MiB", 64 << 20), ("4 GiB", 4 << 30), ("7B", 7)] {
            let size = Size::from_text(text).unwrap();
            assert_eq!((size.bytes(), size.show()), (bytes, format!("\"{}\"", text.replace(' ', ""))));
        }
        for text in ["", "64", "MiB", "64MB", "99999999999TiB"] {
            assert!(Size::from_text(text).is_err(), "{text}");
        }
        assert_eq!(Percent::from_text("50%").unwrap().show(), "\"50%\"");
        for text in ["50", "101%", "-1%", "%"] {
            assert!(Percent::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        let of = |text| assignment(text).map(|(name, value)| format!("{name}|{value}"));
        assert_eq!(of("shared_preload_libraries = 'a,b'").as_deref(), Some("shared_preload_libraries|a,b"));
        assert_eq!(of("cron.database_name=shop").as_deref(), Some("cron.database_name|shop"));
        for text in ["work_mem", "= 5", "a b = c", "x = 'it''s'", "x = a\ny = b"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
