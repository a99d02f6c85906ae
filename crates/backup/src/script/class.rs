//! What a byte may begin, outside of quotes and comments.

/// What a byte may begin in plain text; those up to [`Class::Other`] begin nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Space,
    Other,
    Word,
    Open,
    Close,
    Semicolon,
    QuotedName,
    Text,
    Dollar,
    Dash,
    Slash,
    Backslash,
}

/// The class of a byte.
pub(super) fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class_of(byte as u8);
        byte += 1;
    }
    classes
}

const fn class_of(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Class::Space,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => Class::Word,
        b'(' => Class::Open,
        b')' => Class::Close,
        b';' => Class::Semicolon,
        b'"' => Class::QuotedName,
        b'\'' => Class::Text,
        b'$' => Class::Dollar,
        b'-' => Class::Dash,
        b'/' => Class::Slash,
        b'\\' => Class::Backslash,
        _ => Class::Other,
    }
}
