//! Which layouts a text could have: its prefix, its separators and a few of its characters leave only some.

use std::collections::BTreeSet;

use super::forms::{CODECS, joined, runs};

/// Layouts that these texts of one column could have, as expressions; those that are likelier first.
pub(super) fn layouts(texts: &[&str], salted: bool) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in prefixes(texts) {
        let rests: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix(prefix.as_str())).collect();
        let before = if prefix.is_empty() { String::new() } else { format!("{} ", quoted(&prefix)) };
        found.extend(named(&before, &rests, salted));
        found.extend(forms(&rests, salted).into_iter().map(|form| format!("{before}{form}")));
    }
    found
}

/// Text as a layout writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Texts without a prefix: one run, or parts between separators.
fn forms(texts: &[&str], salted: bool) -> Vec<String> {
    let mut found = Vec::new();
    for codec in CODECS.into_iter().filter(|codec| texts.iter().any(|text| is_of(text, codec, ""))) {
        for lead in leads(texts, codec) {
            found.extend(runs(salted).into_iter().map(|run| format!("{codec}({lead}{run})")));
        }
    }
    for separator in SEPARATORS {
        let counts: BTreeSet<usize> = texts.iter().map(|text| text.split(separator).count()).collect();
        for parts in counts.into_iter().filter(|parts| (2..=4).contains(parts)) {
            let tells = |codec: &&str| !is_of(separator, codec, "");
            let holds = |codec: &&str| texts.iter().any(|text| is_of(text, codec, separator));
            for codec in CODECS.into_iter().filter(tells).filter(holds) {
                found.extend(joined(parts, &quoted(separator), codec, salted));
            }
        }
    }
    found
}

/// Layouts in which a part names the key: of the two applications that are known to, and where the first part is one of a
/// few.
fn named(before: &str, texts: &[&str], salted: bool) -> Vec<String> {
    let mut found = Vec::new();
    if texts.iter().any(|text| text.starts_with("$ENC$")) {
        found.push(MEMBER_JUNCTION.to_owned());
    }
    for separator in SEPARATORS {
        let cut: Vec<_> = texts.iter().filter_map(|text| text.split_once(separator)).collect();
        let names: BTreeSet<_> = cut.iter().map(|(name, _)| *name).collect();
        let few = (2..=4).contains(&names.len()) && names.len() < cut.len();
        let known = before.trim_end() == "\"aes-gcm:\"" && separator == ":";
        if (few || known) && names.iter().all(|name| !name.is_empty() && name.len() <= NAME) {
            let rests: Vec<_> = cut.iter().map(|(_, rest)| *rest).collect();
            let rests = forms(&rests, salted).into_iter();
            found.extend(rests.map(|form| format!("{before}kid {} {form}", quoted(separator))));
        }
    }
    found
}

/// Beginnings that half of the texts have in common and that end where a separator does, or that all have; none is one too.
/// A known prefix of which only few values are there is not lost: what it leaves has fewer separators.
fn prefixes(texts: &[&str]) -> Vec<String> {
    let mut found: BTreeSet<String> = BTreeSet::from([String::new()]);
    for text in texts {
        let ends = text.char_indices().take(PREFIX).filter(|(_, letter)| is_separator(*letter));
        for (at, letter) in ends {
            let prefix = &text[..at + letter.len_utf8()];
            if texts.iter().filter(|text| text.starts_with(prefix)).count() * 2 >= texts.len() {
                found.insert(prefix.to_owned());
            }
        }
    }
    let shared = shared(texts);
    if texts.len() > 2 && (3..=PREFIX).contains(&shared.len()) {
        found.insert(shared.to_owned());
    }
    found.into_iter().take(PREFIXES).collect()
}

fn shared<'t>(texts: &[&'t str]) -> &'t str {
    let Some((first, others)) = texts.split_first() else { return "" };
    let common = |other: &&str| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let length = others.iter().map(common).min().unwrap_or(0);
    first.get(..length).unwrap_or_default()
}

/// The bytes with which all runs begin, as a version does: literals of a layout. None is one too.
fn leads(texts: &[&str], codec: &str) -> Vec<String> {
    let decoded: Vec<_> = texts.iter().filter_map(|text| decode(text, codec)).collect();
    leads_of(&decoded.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// As [`leads`], for bytes.
pub(super) fn leads_of(values: &[&[u8]]) -> Vec<String> {
    let mut leads = vec![String::new()];
    if let [first, others @ ..] = values
        && others.len() > 1
    {
        let common = |other: &&[u8]| first.iter().zip(*other).take_while(|(a, b)| a == b).count();
        let length = others.iter().map(common).min().unwrap_or(0).min(LEAD);
        leads.extend((1..=length).map(|length| format!("0x{} ", hex::encode(&first[..length]))));
    }
    leads
}

/// The bytes of a text, however it is padded.
pub(super) fn decode(text: &str, codec: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    match codec {
        "hex" => hex::decode(text).ok(),
        "base64" => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        _ => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
    }
}

/// Whether every character, but those of the separator, may stand in that codec.
fn is_of(text: &str, codec: &str, separator: &str) -> bool {
    let may = |letter: char| match codec {
        "hex" => letter.is_ascii_hexdigit(),
        "base64" => letter.is_ascii_alphanumeric() || "+/=".contains(letter),
        _ => letter.is_ascii_alphanumeric() || "-_=".contains(letter),
    };
    text.chars().all(|letter| may(letter) || separator.contains(letter))
}

fn is_separator(letter: char) -> bool {
    SEPARATORS.iter().any(|separator| separator.starts_with(letter)) || letter == '/'
}

const MEMBER_JUNCTION: &str = "\"$ENC$\" kid \"$AES-256-GCM$\" base64(iv) \"$\" base64(ct) \"$\" base64(tag)";
const SEPARATORS: [&str; 11] = [":", ".", "$", "|", ",", ";", "~", "#", "_", "-", "::"];
/// The longest prefix that is looked for.
const PREFIX: usize = 40;
const PREFIXES: usize = 6;
/// The longest name of a key that is looked for.
const NAME: usize = 64;
/// The longest version in bytes that is looked for.
const LEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::{layouts, prefixes};

    #[test]
    fn prefixes_are_what_values_have_in_common() {
        assert_eq!(prefixes(&["enc:v1:aa", "enc:v1:bb", "enc:v1:cc"]), ["", "enc:", "enc:v1:"]);
        assert_eq!(prefixes(&["a:1", "b:2", "c:3"]), [""]);
        assert_eq!(prefixes(&["ENCaa", "ENCbb", "ENCcc"]), ["", "ENC"]);
    }

    #[test]
    fn every_expression_can_be_read() {
        for salted in [false, true] {
            let texts =
                ["v1.aaaa.bbbb.cccc", "v1.aaab.bbbb.cccc", "v1.aaac.bbbb.cccc", "v1.ab", "k.v-1_b~c", "\\\"a|b"];
            for layout in layouts(&texts, salted) {
                crate::columns::Layout::parse(&layout).unwrap_or_else(|error| panic!("{layout}: {error}"));
            }
        }
    }
}
