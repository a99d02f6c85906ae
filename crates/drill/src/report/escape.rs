//! Text of a backup in the markup of a report: it is shown and steers nothing.

use super::text::is_direction;

/// `text` in which nothing is markup. `own` says what a form writes for a character, before `&`, `<` and `>` become entities and
/// `hidden` stands for what cannot be seen.
pub(super) fn escaped(text: &str, hidden: char, own: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match own(char).or_else(|| entity(char)) {
            Some(written) => escaped.push_str(written),
            None if char.is_control() || is_direction(char) => escaped.push(hidden),
            None => escaped.push(char),
        }
    }
    escaped
}

/// What would end an attribute.
pub(super) fn quote(char: char) -> Option<&'static str> {
    match char {
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

fn entity(char: char) -> Option<&'static str> {
    match char {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}
