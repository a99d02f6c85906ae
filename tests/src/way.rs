//! The ways in which a backup is taken. What a backup holds must not depend on them: what is true of one is proven of
//! every one.

use std::path::Path;
use std::sync::Arc;

use lifeboat_backup::MethodChoice;
use lifeboat_core::keys::SealKeys;
use lifeboat_core::manifest::Compression;

use crate::keyring::{self, NOVEMBER, OFFLINE};

/// A dump method, and whether what it writes is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The value of `--method`.
    pub method: &'static str,
    /// Whether it is sealed, under [`NOVEMBER`] and for [`OFFLINE`].
    pub sealed: bool,
    /// The value of `--compression`.
    pub compression: &'static str,
}

impl Way {
    /// The variables that make every command take and read backups this way, with a keyring in `folder`.
    pub fn environment(self, folder: &Path) -> Vec<(&'static str, String)> {
        let mut environment = vec![("LIFEBOAT_METHOD", self.method.to_owned())];
        environment.push(("LIFEBOAT_COMPRESSION", self.compression.to_owned()));
        if self.sealed {
            environment.push(("LIFEBOAT_KEYRING", keyring::written(folder, &[NOVEMBER])));
            // A backup that a single key opens is warned of.
            environment.push(("LIFEBOAT_RECIPIENTS", keyring::public(OFFLINE)));
        }
        environment
    }

    /// The method of a backup taken by the library.
    pub fn choice(self) -> MethodChoice {
        if self.method == "parallel" { MethodChoice::Parallel } else { MethodChoice::Stream }
    }

    /// The compression of a backup taken by the library.
    pub fn compression(self) -> Compression {
        if self.compression == "zstd" { Compression::Zstd } else { Compression::Gzip }
    }

    /// What a backup taken by the library is sealed with.
    pub fn seal(self) -> Option<Arc<SealKeys>> {
        let recipient = || keyring::public(OFFLINE).parse().unwrap();
        self.sealed.then(|| Arc::new(keyring::ring(&[NOVEMBER]).seal_keys(&[recipient()]).unwrap()))
    }
}

/// Makes tests of functions `fn(Way)`, one for each way: `latin1_comes_back::stream::sealed` and so on.
#[macro_export]
macro_rules! every_way {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            $crate::every_method_of!($test: open, sealed);
        }
    )+ };
}

/// Makes tests of functions `fn(Way)`, sealed and not, by the method that works through a prefix.
#[macro_export]
macro_rules! every_seal {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            $crate::method_of!(stream, $test: open, sealed);
        }
    )+ };
}

/// Makes tests of functions `fn(Way)`, one for each method: for what sealing has no part in.
#[macro_export]
macro_rules! every_method {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            $crate::every_method_of!($test: open);
        }
    )+ };
}

/// Makes one more test of each of some functions `fn(Way)`, with zstd in place of gzip: what else a backup holds does not
/// depend on that, so one way is enough.
#[macro_export]
macro_rules! zstd {
    ($method:ident, $seal:ident: $($test:ident),+ $(,)?) => {
        mod zstd { $(
            #[test]
            fn $test() {
                super::$test($crate::Way {
                    method: stringify!($method),
                    sealed: stringify!($seal) == "sealed",
                    compression: "zstd",
                });
            }
        )+ }
    };
}

/// The list of methods: a line each.
#[doc(hidden)]
#[macro_export]
macro_rules! every_method_of {
    ($test:ident: $($seal:ident),+) => {
        $crate::method_of!(stream, $test: $($seal),+);
        $crate::method_of!(parallel, $test: $($seal),+);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! method_of {
    ($method:ident, $test:ident: $($seal:ident),+) => {
        mod $method {
            $(
                #[test]
                fn $seal() {
                    super::super::$test($crate::Way {
                        method: stringify!($method),
                        sealed: stringify!($seal) == "sealed",
                        compression: "gzip",
                    });
                }
            )+
        }
    };
}
