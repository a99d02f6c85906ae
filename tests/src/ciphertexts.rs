//! `fixtures/ciphertexts`: values as applications store them, made by other programs.

use std::fs;

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{ColumnKey, Stored};
use serde::{Deserialize, Serialize};

use crate::fixtures;

/// How one application stores values.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Its name in the program that made the values.
    pub name: String,
    layout: String,
    key_format: String,
    secret: String,
    /// What was authenticated besides.
    pub aad: String,
    key_id: Option<String>,
    /// What it stored.
    pub values: Vec<Value>,
}

/// A stored value, and what it holds.
#[derive(Clone, Debug, Deserialize)]
pub struct Value {
    plaintext: String,
    /// As they are stored.
    pub columns: Vec<Column>,
}

/// What one column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Text.
    Text(String),
    /// Bytes, in hexadecimal digits.
    Bytes {
        /// The digits.
        hex: String,
    },
}

/// The cases of a file.
#[must_use]
pub fn cases(file: &str) -> Vec<Case> {
    let path = fixtures::ciphertexts().join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

impl Case {
    /// The application's own key as the primary one.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.layout.parse().unwrap(), self.key(&self.secret)).unwrap()
    }

    /// Whether its writer escapes characters that JSON lets stand: those of a new ciphertext need not be among the old one's.
    #[must_use]
    pub fn escapes(&self) -> bool {
        ["dotnet", "laravel"].contains(&self.name.as_str())
    }

    /// Another key of the same format as the primary one, the application's being enabled.
    #[must_use]
    pub fn rotating(&self) -> Keyring {
        Keyring::new(self.layout.parse().unwrap(), self.other_key()).unwrap().enable(self.key(&self.secret)).unwrap()
    }

    /// Back again: the application's key is the primary one, the other is enabled.
    #[must_use]
    pub fn rotating_back(&self) -> Keyring {
        self.keyring().enable(self.other_key()).unwrap()
    }

    fn other_key(&self) -> ColumnKey {
        let reversed = || self.secret.chars().rev().collect();
        let secret: String = if self.key_format == "base64" { "A".repeat(43) } else { reversed() };
        let key = self.key(&secret);
        self.key_id.iter().fold(key, |key, id| key.with_id(format!("{id}-new")))
    }

    fn key(&self, secret: &str) -> ColumnKey {
        let key = ColumnKey::derive(&secret.to_owned().into(), &self.key_format.parse().unwrap()).unwrap();
        self.key_id.iter().fold(key, |key, id| key.with_id(id.clone()))
    }
}

impl Value {
    /// What it holds.
    #[must_use]
    pub fn plaintext(&self) -> Vec<u8> {
        hex::decode(&self.plaintext).unwrap()
    }

    /// The columns' bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.columns.iter().map(Column::bytes).collect()
    }

    /// The value in the form in which the other program takes it.
    #[must_use]
    pub fn like(&self, stored: &Stored) -> Vec<Column> {
        self.columns.iter().zip(stored.columns()).map(|(old, new)| old.like(new)).collect()
    }
}

impl Column {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { hex } => hex::decode(hex).unwrap(),
        }
    }

    fn like(&self, bytes: &[u8]) -> Self {
        match self {
            Self::Text(_) => Self::Text(str::from_utf8(bytes).unwrap().to_owned()),
            Self::Bytes { .. } => Self::Bytes { hex: hex::encode(bytes) },
        }
    }
}

/// Columns as a keyring takes them.
#[must_use]
pub fn parts(columns: &[Vec<u8>]) -> Vec<Option<&[u8]>> {
    columns.iter().map(|column| Some(column.as_slice())).collect()
}
