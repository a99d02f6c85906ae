//! What an operator types to take layers off.

use lifeboat_core::Error;

/// The command line that takes the layers of a file of these forms off, the outermost first; none where there is none to take off.
pub(crate) fn opened_by_hand(forms: &[&str]) -> Option<String> {
    let mut openers = forms.iter().filter_map(|form| opener(form));
    let first = openers.next()?;
    let others = openers.map(|opener| format!(" | {opener}")).collect::<String>();
    Some(format!("{first} < FILE{others}"))
}

fn opener(form: &str) -> Option<&'static str> {
    match form {
        "gzip" => Some("gunzip -c"),
        "zstd" => Some("zstd -dc"),
        "gpg" => Some("gpg -d"),
        "openssl" => Some("openssl enc -d -aes-256-cbc -pbkdf2 -iter ITERATIONS"),
        "crlf" => Some("sed 's/\\r$//'"),
        _ => None,
    }
}

/// A hint that has a program read FILE, for what lies under layers of these forms.
pub(super) fn beneath(forms: &[&str], error: Error) -> Error {
    let hint = error.help().and_then(|hint| hint_beneath(forms, hint));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn hint_beneath(forms: &[&str], hint: &str) -> Option<String> {
    let opened = opened_by_hand(forms)?;
    let (_, command) = hint.split_once(": ").filter(|(_, command)| command.contains(" FILE |"))?;
    let layers = forms.join(" and ");
    if READ_NO_INPUT.iter().any(|program| command.starts_with(program)) {
        let command = command.replace("FILE", "INNER");
        return Some(format!("it lies under {layers}: write it to a file first: {opened} > INNER; then {command}"));
    }
    let piped = command.replacen(" < FILE |", " |", 1).replacen(" FILE |", " |", 1);
    Some(format!("it lies under {layers}: take that off on the way too: {opened} | {piped}"))
}

/// Programs that read files only.
const READ_NO_INPUT: &[&str] = &["unzip ", "7z "];

#[cfg(test)]
mod tests {
    use super::{hint_beneath, opened_by_hand};
    use crate::foreign::form::Form;

    fn told(forms: &[&str], head: &[u8]) -> String {
        hint_beneath(forms, Form::of(head).unwrap_err().help().unwrap()).unwrap()
    }

    #[test]
    fn every_layer_is_taken_off_on_the_way() {
        assert_eq!(opened_by_hand(&["plain"]), None);
        let xz = "it lies under gpg and openssl: take that off on the way too: \
            gpg -d < FILE | openssl enc -d -aes-256-cbc -pbkdf2 -iter ITERATIONS | xz -dc | lifeboat … -";
        assert_eq!(told(&["gpg", "openssl"], b"\xfd7zXZ\0"), xz);
        assert!(told(&["gzip"], b"U2FsdGVkX1").ends_with(": gunzip -c < FILE | openssl base64 -d | lifeboat … -"));
        assert!(told(&["gzip"], b"age-encryption.org/").ends_with("| age -d -i KEY | lifeboat … -"));
    }

    #[test]
    fn programs_that_read_files_only_get_one() {
        let zip = told(&["zstd"], b"PK\x03\x04");
        assert!(
            zip.contains(": zstd -dc < FILE > INNER; then unzip -p INNER | lifeboat … -; an encrypted one"),
            "{zip}"
        );
        assert!(
            told(&["gpg"], b"7z\xbc\xaf\x27\x1c")
                .ends_with("gpg -d < FILE > INNER; then 7z x -so INNER | lifeboat … -")
        );
    }
}
