//! A layout as text: what is printed is read again as the same layout.

use std::fmt;

use super::{Content, Field, Item, Layout, Member, Output};
use crate::columns::scan::{in_quotes, is_word};

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [Output { column: None, .. }] = self.outputs.as_slice() else {
            let columns =
                self.outputs.iter().map(|o| format!("{}: {o}", name(o.column.as_deref().unwrap_or_default())));
            return write!(f, "columns{{{}}}", columns.collect::<Vec<_>>().join(", "));
        };
        self.outputs[0].fmt(f)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Text => f.write_str(&joined(&self.items)),
            Content::Bytes => write!(f, "bytes({})", joined(&self.items)),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&in_quotes(text)),
            Self::Bytes(bytes) => write!(f, "0x{}", hex::encode(bytes)),
            Self::Field(field) => field.fmt(f),
            Self::Coded(codec, items) => write!(f, "{}({})", codec.name(), joined(items)),
            Self::Json(members) => match members.as_slice() {
                [Member { path, items }] if path.is_empty() => write!(f, "json({})", joined(items)),
                members => {
                    let members: Vec<_> = members.iter().map(ToString::to_string).collect();
                    write!(f, "json{{{}}}", members.join(", "))
                }
            },
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<_> = self.path.iter().map(|step| name(step)).collect();
        write!(f, "{}: {}", path.join("."), joined(&self.items))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iv(12) => f.write_str("iv"),
            Self::Iv(bytes) | Self::Salt(Some(bytes)) => write!(f, "{}/{bytes}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Iv(_) => "iv",
            Self::Tag => "tag",
            Self::Ct => "ct",
            Self::Salt(_) => "salt",
            Self::Kid => "kid",
        }
    }
}

fn joined(items: &[Item]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn name(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { in_quotes(text) }
}
