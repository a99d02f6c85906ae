//! How a foreign file is opened.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

/// What opens a foreign file, and what is believed of it.
#[derive(Clone)]
pub struct ForeignOptions {
    /// What gpg and openssl decrypt with.
    pub passphrase: Option<Arc<SecretString>>,
    /// Iterations of PBKDF2 in files of `openssl enc -pbkdf2`: its `-iter`.
    pub iterations: NonZeroU32,
    /// The environment in which gpg finds the operator's keys, for files that are encrypted to a public key: `HOME` or `GNUPGHOME`.
    pub gpg_environment: Vec<(OsString, OsString)>,
    /// The folder with `pg_restore` and `psql`; looked for in the usual places without one.
    pub tools_dir: Option<PathBuf>,
    /// Where what has to be kept on disk for a while is kept, sealed; and private files for gpg.
    pub spool_dir: PathBuf,
    /// Take a script that pg_dump did not write, or that does what a dump of one database does not do.
    pub trust: bool,
}

impl Default for ForeignOptions {
    fn default() -> Self {
        Self {
            passphrase: None,
            iterations: OPENSSL_ITERATIONS,
            gpg_environment: Vec::new(),
            tools_dir: None,
            spool_dir: std::env::temp_dir(),
            trust: false,
        }
    }
}

impl fmt::Debug for ForeignOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignOptions").field("trust", &self.trust).finish_non_exhaustive()
    }
}

/// What `openssl enc -pbkdf2` takes without `-iter`.
const OPENSSL_ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");
