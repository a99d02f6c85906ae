//! What is known of the stores of each provider before anything is sent: where they differ from each other, as data.
//!
//! `docs/stores.md` says where each line comes from. What a table does not know, `probe` finds out.

use std::fmt;
use std::str::FromStr;

use super::address::Region;
use super::checksum::Checksum;
use crate::error::{Error, Kind, Result};

/// Who runs a store that speaks S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3.
    Aws,
    /// Backblaze B2.
    B2,
    /// Cloudflare R2.
    R2,
    /// MinIO, one's own.
    Minio,
    /// Garage, one's own.
    Garage,
    /// SeaweedFS, one's own.
    Seaweedfs,
    /// Hetzner Object Storage.
    Hetzner,
    /// Scaleway Object Storage.
    Scaleway,
    /// Wasabi.
    Wasabi,
}

/// Where stores of one provider differ from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) provider: Provider,
    pub(super) name: &'static str,
    pub(super) endpoint: Endpoint,
    /// The region to sign for when none is given.
    pub(super) region: Option<&'static str>,
    /// The checksum to send with every part when none is asked for.
    pub(super) checksum: Checksum,
    /// Parts an object may have.
    pub(super) parts_max: u64,
}

/// How the endpoint is found when none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// It has the region between these two; its hosts are known by the second.
    OfRegion(&'static str, &'static str),
    /// It has to be given. Hosts that end so are the provider's.
    Given(Option<&'static str>),
}

impl Provider {
    /// Every provider there is, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Aws,
        Self::B2,
        Self::R2,
        Self::Minio,
        Self::Garage,
        Self::Seaweedfs,
        Self::Hetzner,
        Self::Scaleway,
        Self::Wasabi,
    ];

    /// The provider whose endpoints have this host; own servers can have any.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        let is_theirs = |traits: &&Traits| match traits.endpoint {
            Endpoint::OfRegion(_, end) | Endpoint::Given(Some(end)) => host.ends_with(end),
            Endpoint::Given(None) => false,
        };
        TRAITS.iter().find(is_theirs).map(|traits| traits.provider)
    }

    pub(super) fn traits(self) -> &'static Traits {
        TRAITS.iter().find(|traits| traits.provider == self).expect("every provider has its line")
    }
}

impl Traits {
    /// The endpoint in `region`.
    pub(super) fn endpoint(&self, region: Option<&Region>) -> Result<String> {
        let doing = || format!("find the endpoint of a store of {}", self.name);
        match (self.endpoint, region) {
            (Endpoint::OfRegion(begin, end), Some(region)) => Ok(format!("https://{begin}{}{end}", region.as_str())),
            (Endpoint::OfRegion(..), None) if self.provider == Provider::B2 => Err(Error::new(
                Kind::Config,
                format!("{}: its region is not given", doing()),
            )
            .hint(
                "write b2://bucket/prefix?region=… with the region that the bucket's page shows, as in eu-central-003",
            )),
            (Endpoint::OfRegion(..), None) => {
                Err(Error::new(Kind::Config, format!("{}: its region is not given", doing()))
                    .hint("write region = \"…\" into [store], or set AWS_REGION"))
            }
            (Endpoint::Given(_), _) => Err(Error::new(Kind::Config, format!("{}: no rule leads to it", doing()))
                .hint("write endpoint = \"https://…\" into [store], or set AWS_ENDPOINT_URL")),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.traits().name)
    }
}

impl FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        TRAITS.iter().find(|traits| traits.name == text).map(|traits| traits.provider).ok_or_else(|| {
            let known: Vec<_> = TRAITS.iter().map(|traits| traits.name).collect();
            Error::new(Kind::Config, format!("know the provider {text:?}")).hint(format!(
                "known are {}; leave it out for another, and ask `lifeboat store test`",
                known.join(", ")
            ))
        })
    }
}

/// Parts that an upload may have by the S3 API.
pub(super) const PARTS_MAX: u64 = 10_000;

const fn own(provider: Provider, name: &'static str, region: &'static str) -> Traits {
    Traits {
        provider,
        name,
        endpoint: Endpoint::Given(None),
        region: Some(region),
        checksum: Checksum::None,
        parts_max: PARTS_MAX,
    }
}

const fn hosted(provider: Provider, name: &'static str, begin: &'static str, end: &'static str) -> Traits {
    Traits { endpoint: Endpoint::OfRegion(begin, end), region: None, ..own(provider, name, "") }
}

/// A checksum only where it is known to work and does something that signed bytes do not: Amazon keeps it with the object, and a
/// bucket with Object Lock refuses parts without one; SeaweedFS checks no digest that was signed.
const TRAITS: [Traits; 9] = [
    Traits { checksum: Checksum::Crc64Nvme, ..hosted(Provider::Aws, "aws", "s3.", ".amazonaws.com") },
    hosted(Provider::B2, "b2", "s3.", ".backblazeb2.com"),
    Traits { endpoint: Endpoint::Given(Some(".r2.cloudflarestorage.com")), ..own(Provider::R2, "r2", "auto") },
    own(Provider::Minio, "minio", "us-east-1"),
    own(Provider::Garage, "garage", "garage"),
    Traits { checksum: Checksum::Crc64Nvme, ..own(Provider::Seaweedfs, "seaweedfs", "us-east-1") },
    hosted(Provider::Hetzner, "hetzner", "", ".your-objectstorage.com"),
    Traits { parts_max: 1_000, ..hosted(Provider::Scaleway, "scaleway", "s3.", ".scw.cloud") },
    hosted(Provider::Wasabi, "wasabi", "s3.", ".wasabisys.com"),
];

#[cfg(test)]
mod tests {
    use super::Provider;

    #[test]
    fn every_provider_has_a_name_that_is_read_again() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse::<Provider>().unwrap(), provider);
        }
        let error = "amazon".parse::<Provider>().unwrap_err();
        assert!(error.help().unwrap().contains("aws, b2, r2, minio"), "{error:?}");
    }

    #[test]
    fn a_region_leads_to_the_endpoint_of_those_who_have_one_in_each() {
        let endpoint = |provider: Provider| provider.traits().endpoint(Some(&"eu-1".parse().unwrap()));
        assert_eq!(endpoint(Provider::B2).unwrap(), "https://s3.eu-1.backblazeb2.com");
        assert_eq!(endpoint(Provider::Hetzner).unwrap(), "https://eu-1.your-objectstorage.com");
        assert_eq!(endpoint(Provider::Scaleway).unwrap(), "https://s3.eu-1.scw.cloud");
        assert_eq!(endpoint(Provider::Wasabi).unwrap(), "https://s3.eu-1.wasabisys.com");
        assert!(endpoint(Provider::Minio).unwrap_err().help().unwrap().contains("endpoint ="));
        assert!(Provider::B2.traits().endpoint(None).unwrap_err().help().unwrap().contains("?region="));
    }

    #[test]
    fn a_provider_is_known_by_its_hosts() {
        for (host, provider) in [
            ("s3.us-west-004.backblazeb2.com", Some(Provider::B2)),
            ("0123456789.r2.cloudflarestorage.com", Some(Provider::R2)),
            ("bucket.s3.fr-par.scw.cloud", Some(Provider::Scaleway)),
            ("backblazeb2.com.example.org", None),
            ("minio.example.org", None),
        ] {
            assert_eq!(Provider::of_host(host), provider, "{host}");
        }
    }
}
