//! Lists of names as the catalog holds them: one text of identifiers.

/// The names in `a, "b ""c"""`; `None` when the text is no such list.
pub(super) fn split_names(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => plain_name(rest)?,
        };
        names.push(name);
        let after = after.trim_start();
        if after.is_empty() {
            return Some(names);
        }
        rest = after.strip_prefix(',')?.trim_start();
    }
}

fn plain_name(text: &str) -> Option<(String, &str)> {
    let end = text.find([',', '"']).unwrap_or(text.len());
    let name = text[..end].trim_end();
    (!name.is_empty()).then(|| (name.to_owned(), &text[end..]))
}

/// What stands before the closing quote, and what after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        let Some(more) = after.strip_prefix('"') else { return Some((name, after)) };
        name.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::split_names;

    #[test]
    fn names_split_as_the_server_joined_them() {
        assert_eq!(split_names(r#"a, "b,""c""" ,d"#).unwrap(), ["a", "b,\"c\"", "d"]);
        for broken in ["", "a,", "\"a", "a\"b\"", "\"a\" b"] {
            assert_eq!(split_names(broken), None, "{broken}");
        }
    }
}
