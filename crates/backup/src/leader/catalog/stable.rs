//! The form of a printed expression that no longer changes when it is restored.
//!
//! The server prints what it has parsed, and reading that back does not always give the same tree; from the second time on
//! it does. Two such changes are common enough to meet in most databases: `(ARRAY['a'::character varying])::text[]`, which
//! `IN` over a varchar column becomes, comes back as `ARRAY[('a'::character varying)::text]`; and a nameless constant
//! `'a'::text` in a target list comes back named after its type. Both sides of a comparison are brought to one form here.

/// The text with both changes made: casts of array literals on their elements, and no names that come from a cast.
pub(super) fn stable(definition: &str) -> String {
    drop_cast_names(&spread_array_casts(definition))
}

fn spread_array_casts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let step = match spread_one(&text[at..]) {
            Some((spread, length)) => {
                out.push_str(&spread);
                length
            }
            None => copy_token(&text[at..], &mut out),
        };
        at += step;
    }
    out
}

/// The spread form of the cast array literal that `text` begins with, and how much of `text` it replaces.
fn spread_one(text: &str) -> Option<(String, usize)> {
    let inside = text.strip_prefix("(ARRAY[")?;
    let (elements, after) = split_elements(inside)?;
    let cast = after.strip_prefix(")::")?;
    let (type_name, rest) = cast.split_once("[]")?;
    if !is_type_name(type_name) {
        return None;
    }
    let cast = |element: &&str| format!("({})::{type_name}", spread_array_casts(element));
    let spread = format!("ARRAY[{}]", elements.iter().map(cast).collect::<Vec<_>>().join(", "));
    Some((spread, text.len() - rest.len()))
}

/// The elements before the closing bracket, and what follows it.
fn split_elements(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut elements, mut start, mut at, mut depth) = (Vec::new(), 0, 0, 0_u32);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'(' | b'[' => depth += 1,
            b']' if depth == 0 => {
                elements.push(text[start..at].trim());
                return Some((elements, &text[at + 1..]));
            }
            b')' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += token_length(&text[at..]);
    }
    None
}

fn drop_cast_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match named_cast(rest) {
            Some((kept, length)) => {
                out.push_str(kept);
                at += length;
            }
            None => at += copy_token(rest, &mut out),
        }
    }
    out
}

/// The cast that `text` begins with when a name follows that says no more than the cast: without that name, and how much
/// of `text` both are.
fn named_cast(text: &str) -> Option<(&str, usize)> {
    let cast = text.strip_prefix("::")?;
    let (type_name, after) = cast.split_once(" AS ")?;
    let length = after.find([',', '\n', ')', ' ', ';']).unwrap_or(after.len());
    let name = after[..length].trim_matches('"');
    let names_type = is_type_name(type_name) && name == name_from_cast(type_name);
    names_type.then(|| (&text[..2 + type_name.len()], text.len() - after.len() + length))
}

/// The name that the parser gives to a column which is only a cast to this type.
fn name_from_cast(type_name: &str) -> &str {
    let plain = type_name.split(['(', '[']).next().unwrap_or_default();
    match plain {
        "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "real" => "float4",
        "double precision" => "float8",
        "character varying" => "varchar",
        "character" => "bpchar",
        "bit varying" => "varbit",
        _ if type_name.starts_with("timestamp") && type_name.ends_with("with time zone") => "timestamptz",
        _ if type_name.starts_with("time") && type_name.ends_with(" with time zone") => "timetz",
        _ if type_name.starts_with("timestamp") && type_name.ends_with("without time zone") => "timestamp",
        _ if type_name.starts_with("time") && type_name.ends_with("without time zone") => "time",
        _ => plain.rsplit('.').next().unwrap_or_default().trim_matches('"'),
    }
}

fn is_type_name(text: &str) -> bool {
    let may = |c: char| c.is_alphanumeric() || "_ .\"(),[]".contains(c);
    !text.is_empty() && text.chars().all(may)
}

fn copy_token(text: &str, out: &mut String) -> usize {
    let length = token_length(text);
    out.push_str(&text[..length]);
    length
}

/// The length of the quoted text that `text` begins with, or else of its first character. A backslash escapes only where
/// an `E` stands before the quote, and is taken as the server prints it: doubled.
fn token_length(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else { return first };
    text[first..].find(quote).map_or(text.len(), |end| first + end + 1)
}

#[cfg(test)]
mod tests {
    use super::stable;

    #[test]
    fn casts_of_array_literals_move_to_their_elements() {
        let once = "CHECK (((s)::text = ANY ((ARRAY['a,]'::character varying, 'it''s'::character varying])::text[])))";
        let twice =
            "CHECK (((s)::text = ANY (ARRAY[('a,]'::character varying)::text, ('it''s'::character varying)::text])))";
        assert_eq!(stable(once), twice);
        assert_eq!(stable(twice), twice);
    }

    #[test]
    fn names_that_come_from_a_cast_are_dropped() {
        assert_eq!(stable("SELECT 'x; END;'::text AS text\nEND"), "SELECT 'x; END;'::text\nEND");
        assert_eq!(stable("SELECT '-1'::integer AS int4, b"), "SELECT '-1'::integer, b");
        assert_eq!(
            stable("NULL::timestamp(3) without time zone AS \"timestamp\""),
            "NULL::timestamp(3) without time zone"
        );
        assert_eq!(stable("'a'::public.mood AS mood"), "'a'::public.mood");
    }

    #[test]
    fn other_names_and_quoted_text_stay() {
        for text in [
            "SELECT 'x'::text AS label",
            "'::text AS text, (ARRAY[1])::text[]'",
            "(ARRAY[1, 2])[1]",
            "ARRAY[a]",
            "(ARRAY[",
        ] {
            assert_eq!(stable(text), text);
        }
    }
}
