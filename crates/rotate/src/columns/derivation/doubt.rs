//! Secrets that are hardly what somebody meant. A format that hashes whatever it is given makes a key of them all the same, and the
//! application, which reads its secret from another place, makes another one.

use super::{KeyFormat, is_hex};

/// What is doubtful about a secret. Tells nothing of it but what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is a key of 64 hexadecimal digits and something that came with them.
    Spoilt(String),
    /// It looks like something that was not copied as a whole, or with too much.
    Odd(String),
    /// It is hashed, which is not what becomes of a key in the form that the format names first.
    Hashed(String),
}

impl Doubt {
    /// What is wrong, as the end of a sentence that begins with "it".
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Spoilt(what) | Self::Odd(what) | Self::Hashed(what) => what,
        }
    }

    /// Whether it is a matter of how the secret was copied, rather than of its form.
    #[must_use]
    pub fn is_of_copying(&self) -> bool {
        !matches!(self, Self::Hashed(_))
    }
}

/// What is doubtful about a text of which this format makes a key.
pub(super) fn doubt(format: &KeyFormat, text: &str) -> Option<Doubt> {
    if is_hex(text) || matches!(format, KeyFormat::Hex | KeyFormat::Base64) {
        return None;
    }
    if let Some(what) = spoilt(text) {
        return Some(Doubt::Spoilt(what));
    }
    let at_ends = ends(text);
    if !at_ends.is_empty() {
        return Some(Doubt::Odd(format!("has {} at its ends", listed(&at_ends))));
    }
    let control: Vec<_> = text.chars().filter(|letter| letter.is_control()).collect();
    if !control.is_empty() {
        return Some(Doubt::Odd(format!("has {} in it", listed(&control))));
    }
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let others = text.chars().count() - digits;
    if (60..=68).contains(&(digits + others)) && others <= 4 {
        let others = if others > 0 { format!(" and {others} other characters") } else { String::new() };
        return Some(Doubt::Odd(format!("is {digits} hexadecimal digits{others}, and not 64")));
    }
    let hashed = || Doubt::Hashed("is not 64 hexadecimal digits, so that the key is its SHA-256".to_owned());
    (*format == KeyFormat::HexOrSha256).then(hashed)
}

/// What came with 64 hexadecimal digits.
pub(super) fn spoilt(text: &str) -> Option<String> {
    let (foreign, bare): (Vec<char>, Vec<char>) = text.chars().partition(|letter| is_foreign(*letter));
    let bare: String = bare.into_iter().collect();
    let digits = bare.strip_prefix("0x").unwrap_or(&bare);
    if text == digits || !is_hex(digits) {
        return None;
    }
    let mut with = if digits.len() < bare.len() { vec!["0x".to_owned()] } else { Vec::new() };
    with.extend((!foreign.is_empty()).then(|| listed(&foreign)));
    Some(format!("is 64 hexadecimal digits with {}", with.join(" and ")))
}

/// What is at the ends of a text that is hardly part of it.
pub(super) fn at_ends(text: &str) -> Option<String> {
    let ends = ends(text);
    (!ends.is_empty()).then(|| listed(&ends))
}

/// Quotes count where they stand on both sides.
fn ends(text: &str) -> Vec<char> {
    let inner = text.trim_matches(|letter| is_foreign(letter) && !is_quote(letter));
    let mut ends: Vec<_> = text.chars().take_while(|letter| is_foreign(*letter) && !is_quote(*letter)).collect();
    ends.extend(text.chars().rev().take_while(|letter| is_foreign(*letter) && !is_quote(*letter)));
    let (first, last) = (inner.chars().next(), inner.chars().next_back());
    ends.extend(first.filter(|quote| is_quote(*quote) && first == last && inner.chars().count() > 1));
    ends
}

fn is_foreign(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || is_quote(letter) || INVISIBLE.contains(&letter)
}

fn is_quote(letter: char) -> bool {
    "\"'`\u{201c}\u{201d}\u{2018}\u{2019}".contains(letter)
}

/// Kinds of characters, by name.
fn listed(letters: &[char]) -> String {
    let mut names = Vec::new();
    for name in letters.iter().map(|letter| name(*letter)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" and ")
}

fn name(letter: char) -> &'static str {
    match letter {
        '\u{feff}' => "a byte order mark",
        '\r' => "a carriage return",
        '\n' => "a newline",
        ' ' => "a space",
        '\t' => "a tab",
        _ if is_quote(letter) => "quotes",
        _ if letter.is_control() => "a control character",
        _ => "a space that cannot be seen",
    }
}

/// A byte order mark, and spaces of no width.
const INVISIBLE: [char; 5] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}'];
