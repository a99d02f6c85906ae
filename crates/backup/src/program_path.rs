//! Where programs are looked for whose place nobody said.

/// The folders in which a distribution has them, and those that an administrator fills.
pub(crate) const PROGRAM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
