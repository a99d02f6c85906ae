//! Names and values as SQL text.

/// A name as an SQL identifier, always quoted.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as an SQL string literal that reads the same whatever `standard_conforming_strings` says.
#[must_use]
pub fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if doubled.contains('\\') {
        // The leading space keeps the E from joining a word that stands before it.
        return format!(" E'{}'", doubled.replace('\\', "\\\\"));
    }
    format!("'{doubled}'")
}

#[cfg(test)]
mod tests {
    use super::{quote_ident, quote_literal};

    #[test]
    fn identifiers_keep_quotes_newlines_and_case() {
        assert_eq!(quote_ident("Order"), "\"Order\"");
        assert_eq!(quote_ident("a\"b\nc\\d"), "\"a\"\"b\nc\\d\"");
    }

    #[test]
    fn literals_keep_quotes_newlines_and_backslashes() {
        assert_eq!(quote_literal("it's\n"), "'it''s\n'");
        assert_eq!(quote_literal("c:\\'"), " E'c:\\\\'''");
        assert_eq!(quote_literal(""), "''");
    }
}
