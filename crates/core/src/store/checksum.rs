//! Which checksum goes with every object and part, beside the signature.

use std::fmt;
use std::str::FromStr;

use object_store::aws::Checksum as S3Checksum;

use crate::error::{Error, Kind, Result};

/// A checksum that an S3 store proves before it keeps what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// None: the bytes are part of what is signed, and the store proves that.
    None,
    /// CRC-64/NVME: fast, and kept for the whole object by stores that know it.
    Crc64Nvme,
    /// SHA-256, of each part.
    Sha256,
}

impl Checksum {
    pub(super) fn of_s3(self) -> Option<S3Checksum> {
        match self {
            Self::None => None,
            Self::Crc64Nvme => Some(S3Checksum::CRC64NVME),
            Self::Sha256 => Some(S3Checksum::SHA256),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha256 => "sha256",
        })
    }
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::None, Self::Crc64Nvme, Self::Sha256];
        known.into_iter().find(|checksum| checksum.to_string() == text).ok_or_else(|| {
            Error::new(Kind::Config, format!("know the checksum {text:?}")).hint("known are none, crc64nvme and sha256")
        })
    }
}
