//! What is to be told of a file that is whole, found while it was read.

use std::sync::{Arc, Mutex};

/// Remarks of all layers of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks(Arc<Mutex<Vec<&'static str>>>);

impl Remarks {
    pub(super) fn add(&self, remark: &'static str) {
        if let Ok(mut remarks) = self.0.lock() {
            remarks.push(remark);
        }
    }

    /// All of them, once the file was read to its end.
    pub(crate) fn all(&self) -> Vec<&'static str> {
        self.0.lock().map(|remarks| remarks.clone()).unwrap_or_default()
    }
}
