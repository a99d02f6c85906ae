//! What is to be written into the columns of a layout.

/// One value for each column of the layout, in its order. They are ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored(pub(super) Vec<Vec<u8>>);

impl Stored {
    /// The values.
    #[must_use]
    pub fn columns(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The values, given away.
    #[must_use]
    pub fn into_columns(self) -> Vec<Vec<u8>> {
        self.0
    }

    /// The text of the only column. Nothing when the layout has several, or its column holds bytes.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [only] => str::from_utf8(only).ok(),
            _ => None,
        }
    }

    /// The values as they are asked for when they are opened.
    #[must_use]
    pub fn parts(&self) -> Vec<Option<&[u8]>> {
        self.0.iter().map(|column| Some(column.as_slice())).collect()
    }
}
