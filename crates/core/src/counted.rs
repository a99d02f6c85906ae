//! Numbers with their nouns, for messages.

/// `1 table`, `2 tables`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_none_is_not() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "table")), ["0 tables", "1 table", "2 tables"]);
    }
}
