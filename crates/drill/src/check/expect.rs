//! What an assertion expects: one value, compared with one that the operator wrote.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use lifeboat_core::{Error, Kind};

/// What a query's one value has to be, as in `> 100`, `>= 1`, `= 'active'`, `!= 0`, `true` or `fresh 26h`: a time that is
/// at most so long before the backup's snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    text: String,
    pub(super) wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Number(Comparison, Number),
    Text { is: bool, text: String },
    Bool(bool),
    Fresh(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// Whole numbers of any size are compared exactly, others as the machine does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Other(f64),
}

impl Expect {
    /// Whether a value is as expected; `None` when it cannot be compared. Times are compared by whoever has the snapshot's.
    pub(super) fn holds(&self, value: &str) -> Option<bool> {
        match &self.wanted {
            Wanted::Number(comparison, wanted) => {
                let order = value.trim().parse::<Number>().ok()?.compare(*wanted)?;
                Some(comparison.holds(order))
            }
            Wanted::Text { is, text } => Some((value == text) == *is),
            Wanted::Bool(wanted) => match value {
                "t" | "true" => Some(*wanted),
                "f" | "false" => Some(!wanted),
                _ => None,
            },
            Wanted::Fresh(_) => None,
        }
    }
}

impl FromStr for Expect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let refused = || {
            Error::new(Kind::Config, format!("read {text:?} as an expectation"))
                .hint("write \"> 100\", \">= 1\", \"= 'active'\", \"!= 0\", \"true\" or \"fresh 26h\"")
        };
        Ok(Self { text: text.to_owned(), wanted: Wanted::read(text).ok_or_else(refused)? })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Wanted {
    fn read(text: &str) -> Option<Self> {
        if let Some(wanted) = boolean(text) {
            return Some(Self::Bool(wanted));
        }
        if let Some(age) = text.strip_prefix("fresh ") {
            let age: SignedDuration = age.trim().parse().ok()?;
            return Some(Self::Fresh(age.try_into().ok()?));
        }
        let (comparison, value) =
            COMPARISONS.iter().find_map(|(sign, it)| Some((*it, text.strip_prefix(sign)?.trim())))?;
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let is = comparison == Comparison::Equal;
        if let Some(quoted) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
            let text = unquoted(quoted)?;
            return is_equality.then_some(Self::Text { is, text });
        }
        if let Some(wanted) = boolean(value) {
            return is_equality.then_some(Self::Bool(wanted == is));
        }
        Some(Self::Number(comparison, value.parse().ok()?))
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Quotes inside are doubled, as in SQL.
fn unquoted(text: &str) -> Option<String> {
    let single = text.replace("''", "");
    (!single.contains('\'')).then(|| text.replace("''", "'"))
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

impl Number {
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (one, other) => one.float().partial_cmp(&other.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Other(other) => other,
        }
    }
}

impl FromStr for Number {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(whole) = text.parse() {
            return Ok(Self::Whole(whole));
        }
        // Words such as `inf` are numbers to the parser, and to nobody else.
        let is_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
            && text.ends_with(|last: char| last.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Self::Other).ok_or(())
    }
}

/// The longer signs first: they begin with the shorter.
const COMPARISONS: &[(&str, Comparison)] = &[
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
    ("=", Comparison::Equal),
];

#[cfg(test)]
mod tests {
    use super::{Expect, Wanted};

    fn holds(expect: &str, value: &str) -> Option<bool> {
        expect.parse::<Expect>().unwrap().holds(value)
    }

    #[test]
    fn numbers_texts_and_truths_are_compared() {
        assert_eq!(holds("> 100", "101"), Some(true));
        assert_eq!(holds("> 100", "100"), Some(false));
        assert_eq!(holds(">=1", "1.0"), Some(true));
        assert_eq!(holds("<= 0.5", "0.25"), Some(true));
        assert_eq!(
            holds("= 170141183460469231731687303715884105727", "170141183460469231731687303715884105726"),
            Some(false)
        );
        assert_eq!(holds("!= 0", "7"), Some(true));
        assert_eq!(holds("= 'it''s'", "it's"), Some(true));
        assert_eq!(holds("<> 'a'", "a"), Some(false));
        assert_eq!(holds("true", "t"), Some(true));
        assert_eq!(holds("= false", "t"), Some(false));
        assert_eq!(holds("!= true", "f"), Some(true));
    }

    #[test]
    fn what_cannot_be_compared_is_neither_yes_nor_no() {
        for (expect, value) in [("> 100", "many"), ("> 100", "NaN"), ("true", "1"), ("= 5", "")] {
            assert_eq!(holds(expect, value), None, "{expect} {value}");
        }
    }

    #[test]
    fn times_are_read_as_durations() {
        let fresh: Expect = "fresh 26h".parse().unwrap();
        assert_eq!(fresh.wanted, Wanted::Fresh(std::time::Duration::from_secs(26 * 3600)));
        assert_eq!(fresh.to_string(), "fresh 26h");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "100",
            "> ",
            "> 'a'",
            "= 'a",
            "= a'b'",
            "= 'a'b'",
            "fresh",
            "fresh soon",
            "fresh -1h",
            "> inf",
            "=> 1",
            "~ 'a'",
        ] {
            assert!(text.parse::<Expect>().is_err(), "{text}");
        }
    }
}
