//! A run that is watched from outside, and all places where it could leave a secret.

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;

use crate::files::files;
use crate::inventory::Bucket;
use crate::lifeboat::{Lifeboat, Outcome};

/// What was seen of one run.
#[derive(Debug)]
pub struct Watched {
    /// How it ended, and what it printed.
    pub outcome: Outcome,
    /// The command lines and environments of all processes below it.
    pub children: String,
    /// Its own command line.
    pub arguments: String,
}

/// The folders that a run may write to.
#[derive(Debug)]
pub struct Folders {
    state: TempDir,
    runtime: TempDir,
    temporary: TempDir,
}

impl Watched {
    /// Runs to the end, watching every process below as closely as it can.
    pub fn run(command: Lifeboat) -> Watched {
        let running = command.spawn();
        let (mut children, mut arguments) = (BTreeSet::new(), BTreeSet::new());
        while running.is_running() {
            children.insert(running.exposed_by_descendants());
            arguments.insert(fs::read_to_string(format!("/proc/{}/cmdline", running.id())).unwrap_or_default());
        }
        let all = |seen: BTreeSet<String>| seen.into_iter().collect::<String>();
        Watched { outcome: running.wait(), children: all(children), arguments: all(arguments) }
    }

    /// Every place to look in, with its bytes: what was seen, what is stored, and what lies in the folders. Fails the test
    /// when a credential file is left.
    #[track_caller]
    pub fn places(&self, bucket: &Bucket, folders: &Folders) -> Vec<(String, Vec<u8>)> {
        assert_eq!(files(folders.runtime.path()).len(), 0, "credential files are removed");
        let mut places: Vec<_> = bucket.objects().into_keys().map(|key| (key.clone(), bucket.read(&key))).collect();
        for folder in [&folders.state, &folders.temporary] {
            places.extend(files(folder.path()));
        }
        let seen =
            [("output", self.outcome.text()), ("children", self.children.clone()), ("argv", self.arguments.clone())];
        places.extend(seen.map(|(place, text)| (place.to_owned(), text.into_bytes())));
        places
    }
}

impl Folders {
    /// Empty ones.
    pub fn new() -> Folders {
        let [state, runtime, temporary] = [(); 3].map(|()| TempDir::new().unwrap());
        Folders { state, runtime, temporary }
    }

    /// The command, writing to these.
    pub fn of(&self, command: Lifeboat) -> Lifeboat {
        command
            .env("STATE_DIRECTORY", self.state.path())
            .env("RUNTIME_DIRECTORY", self.runtime.path())
            .env("TMPDIR", self.temporary.path())
    }
}

impl Default for Folders {
    fn default() -> Folders {
        Folders::new()
    }
}
