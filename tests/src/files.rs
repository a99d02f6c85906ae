//! The files below a folder, to compare them or to look for what must not be there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Bytes by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Every file below `folder`, by its path in it.
pub fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
