//! What must not stand in a report: the password that a program was given, however the program spells it.

use lifeboat_backup::postgres::ConnectionSettings;
use secrecy::{ExposeSecret as _, SecretString};

/// The URL of a database, and the password in it.
pub(crate) struct Secrets {
    url: SecretString,
    password: Option<SecretString>,
}

impl Secrets {
    /// Those of a program that is given this URL for `target`.
    pub(crate) fn of(target: &ConnectionSettings, url: &SecretString) -> Self {
        let password = target.password_for(&target.hosts[0]).map(|password| password.expose_secret().to_owned());
        let password = password.filter(|password| !password.is_empty()).map(SecretString::from);
        Self { url: url.clone(), password }
    }

    /// Bytes that any spelling of a secret takes at most.
    pub(crate) fn longest(&self) -> usize {
        let password = self.password.as_ref().map_or(0, |password| 3 * password.expose_secret().len());
        password.max(self.url.expose_secret().len())
    }

    /// The text, with `…` in place of each.
    pub(crate) fn masked(&self, text: &str) -> String {
        let Some(password) = &self.password else { return without_passwords(text) };
        let text = text.replace(self.url.expose_secret(), MASK);
        without_passwords(&masked(&text, password.expose_secret().as_bytes()))
    }
}

/// The text without this password: as it is, percent-encoded in whole or in part, with `+` for a space, or with backslashes.
fn masked(text: &str, password: &[u8]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        match spelt(rest.as_bytes(), password).filter(|end| rest.is_char_boundary(*end)) {
            Some(end) => {
                kept.push_str(MASK);
                rest = &rest[end..];
            }
            None => {
                kept.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    kept
}

/// How many bytes of `text` spell this password, if it begins with it.
fn spelt(text: &[u8], password: &[u8]) -> Option<usize> {
    let Some((byte, more)) = password.split_first() else { return Some(0) };
    let after = |bytes: usize| spelt(&text[bytes..], more).map(|rest| bytes + rest);
    let is_encoded = || {
        let digits = text.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) == Some(*byte)
    };
    let first = text.first()?;
    let encoded = (*first == b'%' && is_encoded()).then(|| after(3)).flatten();
    let escaped = || (*first == b'\\' && text.get(1) == Some(byte)).then(|| after(2)).flatten();
    let plain = || (first == byte || *first == b'+' && *byte == b' ').then(|| after(1)).flatten();
    encoded.or_else(escaped).or_else(plain)
}

/// A program's words without what stands where connection strings have their password: for passwords that we do not know.
pub(crate) fn without_passwords(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| without_value(&without_userinfo(line))).collect();
    lines.join("\n")
}

/// `postgresql://user:…@host`.
fn without_userinfo(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, authority) = rest.split_at(at + "://".len());
        kept.push_str(before);
        // The last one before the path: a password may hold others.
        let end = authority.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(authority.len());
        let password = authority[..end].rfind('@').and_then(|to| Some((authority[..to].find(':')? + 1, to)));
        match password {
            Some((from, to)) => {
                kept.push_str(&authority[..from]);
                kept.push_str(MASK);
                rest = &authority[to..];
            }
            None => rest = authority,
        }
    }
    kept + rest
}

/// `password=…`, quoted or not.
fn without_value(line: &str) -> String {
    let Some(at) = line.to_ascii_lowercase().find("password=") else { return line.to_owned() };
    let (before, value) = line.split_at(at + "password=".len());
    let end = match value.strip_prefix('\'') {
        Some(quoted) => quoted.find('\'').map_or(value.len(), |end| end + 2),
        None => value.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(value.len()),
    };
    format!("{before}{MASK}{}", without_value(&value[end..]))
}

const MASK: &str = "…";

#[cfg(test)]
mod tests {
    use super::{masked, without_passwords};

    #[test]
    fn a_password_is_masked_however_it_is_spelt() {
        let password = "p@ss w/ü%2F\"x";
        for spelling in [
            "p@ss w/ü%2F\"x",
            "p%40ss%20w%2F%C3%BC%252F%22x",
            "p%40ss+w%2f%c3%bc%252F%22x",
            "p%40ss%20w/%C3%BC%252F%22x",
            "p@ss w/ü%2F\\\"x",
            "p@ss w\\/ü%2F\\\"x",
        ] {
            let text = format!("ä {spelling} and {spelling}.");
            assert_eq!(masked(&text, password.as_bytes()), "ä … and ….", "{spelling}");
        }
        assert_eq!(masked("p@ss w/o", password.as_bytes()), "p@ss w/o");
    }

    #[test]
    fn passwords_that_nobody_told_us_are_masked_where_connection_strings_have_them() {
        for (text, shown) in [
            ("try postgres://u:hunter2@db/x now", "try postgres://u:…@db/x now"),
            ("postgres://u:hun@ter2@db:5432/x, http://db/y", "postgres://u:…@db:5432/x, http://db/y"),
            ("host=db password=hunter2 dbname=x", "host=db password=… dbname=x"),
            ("PGPASSWORD='hun ter2' psql", "PGPASSWORD=… psql"),
            ("?password=hunter2&sslmode=require", "?password=…&sslmode=require"),
            ("postgres://u@db/x\nnothing: here@all", "postgres://u@db/x\nnothing: here@all"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }
}
