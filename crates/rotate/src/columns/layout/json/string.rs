//! A string of a JSON document, and how its writer escapes.

/// A string's text. Writers escape what they need not: PHP `/`, .NET `+`. Another text is escaped in the same way.
pub(super) struct JsonString {
    text: String,
    /// Characters, each with what stood for it.
    escapes: Vec<(char, String)>,
}

impl JsonString {
    /// From the string as it stands in a document, quotes included.
    pub(super) fn parse(raw: &str) -> Result<Self, &'static str> {
        let inner =
            raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).ok_or("its JSON has no string there")?;
        let mut string = Self { text: String::with_capacity(inner.len()), escapes: Vec::new() };
        let mut rest = inner;
        while let Some(at) = rest.find('\\') {
            let (plain, escaped) = rest.split_at(at);
            string.text.push_str(plain);
            rest = string.unescape(escaped)?;
        }
        string.text.push_str(rest);
        if !string.escapes.is_empty() && string.escape(&string.text) != raw {
            return Err("its JSON string escapes a character in two ways");
        }
        Ok(string)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Another text, as it stands in a document, quotes included.
    pub(super) fn escape(&self, text: &str) -> String {
        let mut raw = String::with_capacity(text.len() + 2);
        raw.push('"');
        for c in text.chars() {
            match self.escapes.iter().find(|(escaped, _)| *escaped == c) {
                Some((_, escape)) => raw.push_str(escape),
                None if c == '"' => raw.push_str("\\\""),
                None if c == '\\' || c < ' ' => raw.push_str(quoted(&c.to_string()).trim_matches('"')),
                None => raw.push(c),
            }
        }
        raw.push('"');
        raw
    }

    /// Takes the escape that `rest` begins with, and returns what follows it.
    fn unescape<'r>(&mut self, rest: &'r str) -> Result<&'r str, &'static str> {
        let bytes = rest.as_bytes();
        let length = match (bytes.get(1), bytes.get(6..8)) {
            (Some(b'u'), Some(b"\\u")) if is_high_surrogate(rest) => 12,
            (Some(b'u'), _) => 6,
            _ => 2,
        };
        let (escape, behind) = rest.split_at_checked(length).ok_or(NO_STRING)?;
        let text: String = serde_json::from_str(&format!("\"{escape}\"")).map_err(|_| NO_STRING)?;
        let c = text.chars().next().ok_or(NO_STRING)?;
        self.text.push(c);
        if self.escapes.iter().all(|(known, _)| *known != c) {
            self.escapes.push((c, escape.to_owned()));
        }
        Ok(behind)
    }
}

/// A text as every JSON writer has it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_high_surrogate(rest: &str) -> bool {
    let digits = rest.get(2..6).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    digits.is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
}

const NO_STRING: &str = "its JSON string cannot be read";
