//! Finds passwords inside connection strings and URLs, so that arguments and configuration can refuse them and no
//! message repeats them.

use std::ops::Range;

/// Where passwords stand in `text`: `scheme://user:HERE@host`, `password=HERE`.
pub(crate) fn passwords_in(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> = text.match_indices("://").filter_map(|(at, _)| in_authority(text, at + 3)).collect();
    found.extend(text.match_indices("password").filter_map(|(at, word)| in_assignment(text, at, at + word.len())));
    found
}

/// Overwrites the given ranges of bytes with stars, keeping every other byte where it is.
pub(crate) fn mask(text: &str, ranges: &[Range<usize>]) -> String {
    let hidden = |at: usize| ranges.iter().any(|range| range.contains(&at));
    let masked = text.char_indices().map(|(at, c)| match c {
        '\n' => c.to_string(),
        _ if hidden(at) => "*".repeat(c.len_utf8()),
        _ => c.to_string(),
    });
    masked.collect()
}

/// The last `@` counts: a password may hold `@` or `/` that somebody forgot to escape.
fn in_authority(text: &str, start: usize) -> Option<Range<usize>> {
    let end =
        text[start..].find(|c: char| c.is_whitespace() || c == '"' || c == '\'').map_or(text.len(), |n| start + n);
    let rest = &text[start..end];
    let colon = rest.find(':')? + 1;
    let at = rest.rfind('@').filter(|at| *at > colon)?;
    let before_slash = rest[colon..].split(['/', '?', ',']).next()?;
    let is_port = before_slash.bytes().all(|b| b.is_ascii_digit()) && before_slash.len() < at - colon;
    let user_ends = rest[..colon].contains(['/', '?', '@']);
    (!is_port && !user_ends).then_some(start + colon..start + at)
}

fn in_assignment(text: &str, word: usize, after: usize) -> Option<Range<usize>> {
    let names_more = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text[..word].strip_suffix("ssl").unwrap_or(&text[..word]).ends_with(names_more) {
        return None;
    }
    let value = text[after..].trim_start().strip_prefix('=')?.trim_start();
    let start = text.len() - value.len();
    let quoted = value.strip_prefix('\'').and_then(|inner| inner.find('\'')).map(|n| n + 2);
    let length =
        quoted.unwrap_or_else(|| value.find(|c: char| c.is_whitespace() || "&\"#".contains(c)).unwrap_or(value.len()));
    (length > 0).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::{mask, passwords_in};

    #[test]
    fn every_spelling_of_a_password_is_found() {
        let spellings = [
            "postgres://app:hunter2@db/shop",
            "--into=postgresql://app:hunter2@db:5432/shop",
            "postgres://app:hunter2/x@db/shop",
            "postgres://db/shop?user=app&password=hunter2",
            "host=db password=hunter2 user=app",
            "host=db password = 'hunter2 x'",
            "--into=password=hunter2",
            "sslpassword=hunter2",
            "s3://key:hunter2@bucket/prefix",
        ];
        for text in spellings {
            let found = passwords_in(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(!mask(text, &found).contains("hunter2"), "{text}");
            assert_eq!(mask(text, &found).len(), text.len());
        }
    }

    #[test]
    fn strings_without_a_password_pass() {
        let harmless = [
            "postgres://app@db:5432/shop",
            "postgres://db:5432/shop?application_name=a@b",
            "postgres:///shop?host=/run/postgresql",
            "host=db user=app passfile=/x",
            "env:PASSWORD",
            "file:///var/lib/lifeboat",
            "s3://bucket/prefix",
            "password",
            "password=",
            "my_password=1",
        ];
        for text in harmless {
            assert!(passwords_in(text).is_empty(), "{text}");
        }
    }
}
