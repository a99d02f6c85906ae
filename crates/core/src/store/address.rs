//! The address of a store: what an operator writes, read once into something that cannot be wrong.

use object_store::path::Path;
use url::Url;

use super::bucket_name;
use crate::error::{Error, Kind, Result};

/// The address of a store: `s3://bucket/prefix`, `b2://bucket/prefix?region=…`, `gs://bucket/prefix`,
/// `az://container/prefix` or `file:///folder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    pub(super) place: Place,
    text: String,
}

/// What kind of store an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Any store that speaks S3.
    S3,
    /// Backblaze B2, through its S3 endpoint.
    B2,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A folder.
    File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Bucket { scheme: Scheme, name: String, prefix: Path, region: Option<Region> },
    Folder(String),
}

/// The name of a store's region; it becomes part of a host name, and can hold nothing that ends one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region(String);

impl StoreUrl {
    /// What kind of store it is.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match &self.place {
            Place::Bucket { scheme, .. } => *scheme,
            Place::Folder(_) => Scheme::File,
        }
    }
}

impl Region {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=40).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Kind::Config, format!("use {text:?} as the region of a store"))
            .hint("a region is lower-case letters, digits and dashes, as in eu-central-003"))
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|error| refuse("it is no URL").caused_by(error))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it carries credentials").hint(credentials_go(url.scheme())));
        }
        let place = match url.scheme() {
            "s3" => bucket(&url, Scheme::S3)?,
            "b2" => bucket(&url, Scheme::B2)?,
            "gs" => bucket(&url, Scheme::Gs)?,
            "az" => bucket(&url, Scheme::Az)?,
            "file" => folder(&url)?,
            _ => return Err(refuse("its scheme is unknown")),
        };
        Ok(Self { place, text: text.trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn bucket(url: &Url, scheme: Scheme) -> Result<Place> {
    Ok(Place::Bucket {
        scheme,
        name: name(url, scheme)?,
        // Decoded here, once: from now on the prefix is the text that stands in the bucket.
        prefix: Path::from_url_path(url.path().trim_matches('/')).map_err(|error| {
            refuse("its prefix cannot begin an object's name")
                .hint(
                    "a prefix is UTF-8 without control characters, and no part of it between slashes is \
                     empty, `.` or `..`",
                )
                .caused_by(error)
        })?,
        region: region(url, scheme)?,
    })
}

fn name(url: &Url, scheme: Scheme) -> Result<String> {
    let name = url.host_str().ok_or_else(|| refuse("it names no bucket"))?;
    if url.port().is_some() {
        return Err(refuse("it has a port, as a server has and no bucket").hint(endpoint_goes(scheme)));
    }
    match bucket_name::unfit(name, scheme) {
        Some(why) => Err(refuse(&why)),
        None => Ok(name.to_owned()),
    }
}

/// What stands after `?region=`: nothing else may, and only where the region leads to the endpoint.
fn region(url: &Url, scheme: Scheme) -> Result<Option<Region>> {
    if url.fragment().is_some() || (url.query().is_some() && scheme != Scheme::B2) {
        return Err(refuse("it has a query or a fragment"));
    }
    let mut region = None;
    for (name, value) in url.query_pairs() {
        if name != "region" || region.is_some() {
            return Err(refuse("its query is not one ?region=…"));
        }
        region = Some(value.parse()?);
    }
    Ok(region)
}

fn folder(url: &Url) -> Result<Place> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a query or a fragment"));
    }
    let path = url.to_file_path().map_err(|()| refuse("its folder is not absolute"))?;
    Ok(Place::Folder(path.to_string_lossy().into()))
}

fn refuse(why: &str) -> Error {
    Error::new(Kind::Config, format!("read the store's address: {why}")).hint(concat!(
        "a store is s3://bucket/prefix, b2://bucket/prefix?region=…, file:///folder, or, in a build with them, ",
        "gs://bucket/prefix and az://container/prefix"
    ))
}

fn endpoint_goes(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Gs => "the server is given by GOOGLE_BASE_URL: gs://bucket/prefix names the bucket there",
        Scheme::Az => "the server is given by AZURE_STORAGE_ENDPOINT: az://container/prefix names the container there",
        Scheme::B2 => "the server follows from the region: b2://bucket/prefix?region=…",
        Scheme::S3 | Scheme::File => {
            "the server is given by `endpoint` in [store] or AWS_ENDPOINT_URL: s3://bucket/prefix names the bucket there"
        }
    }
}

fn credentials_go(scheme: &str) -> &'static str {
    match scheme {
        "b2" => "give them by B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY",
        "gs" => "give them by GOOGLE_SERVICE_ACCOUNT, the path of a service account's key",
        "az" => "give them by AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        _ => "give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Scheme, StoreUrl};
    use crate::error::Kind;

    #[test]
    fn an_address_with_credentials_is_refused_without_repeating_them() {
        for (scheme, variables) in [("s3", "AWS_"), ("b2", "B2_"), ("gs", "GOOGLE_"), ("az", "AZURE_")] {
            let error = format!("{scheme}://key:hunter2@bucket/x").parse::<StoreUrl>().unwrap_err();
            assert!(error.help().unwrap().contains(variables), "{error:?}");
            assert!(!format!("{error:?}{:?}", error.help()).contains("hunter2"));
        }
    }

    #[test]
    fn a_prefix_is_decoded_once_and_refused_when_it_cannot_begin_a_name() {
        let prefix = |text: &str| match text.parse::<StoreUrl>().unwrap().place {
            Place::Bucket { prefix, .. } => prefix.to_string(),
            Place::Folder(_) => panic!("{text} is a bucket"),
        };
        for text in ["s3://bucket/a~b c/", "s3://bucket/a~b%20c", "s3://bucket/%61~b c", "b2://bucket/a~b c/?region=x"]
        {
            assert_eq!(prefix(text), "a~b c", "{text}");
        }
        assert_eq!(prefix("s3://bucket/50%25/höhe"), "50%/höhe");
        assert_eq!(prefix("s3://bucket"), "");
        for text in ["s3://bucket/a//b", "s3://bucket/a%0Ab", "s3://bucket/%FF", "s3://bucket/a/..%2Fb"] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{text}");
            assert!(error.help().unwrap().contains("control characters"), "{text}: {error:?}");
        }
    }

    #[test]
    fn addresses_of_unknown_kinds_are_refused() {
        for text in [
            "",
            "bucket",
            "ftp://x/y",
            "s3:///x",
            "s3://bucket?x=1",
            "file:///x?region=y",
            "b2://bucket#x",
            "s3://ab/c",
        ] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
        let error = "ftp://x/y".parse::<StoreUrl>().unwrap_err();
        assert!(["s3://", "b2://", "gs://", "az://"].iter().all(|kind| error.help().unwrap().contains(kind)));
        assert_eq!("s3://bucket/a/".parse::<StoreUrl>().unwrap().to_string(), "s3://bucket/a");
    }

    #[test]
    fn a_name_that_no_bucket_has_is_refused_with_what_to_write() {
        for (text, why) in [
            ("s3://ab/prod", "has 2 characters, and 3 to 255"),
            ("b2://short/prod", "6 to 63"),
            ("az://b/x", "the name of its container has 1 character,"),
            ("gs://$BUCKET/x", "holds '$'"),
            ("s3://localhost:9000/bucket", "it has a port"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        let server = "s3://localhost:9000/bucket".parse::<StoreUrl>().unwrap_err();
        assert!(server.help().unwrap().contains("AWS_ENDPOINT_URL"), "{server:?}");
    }

    #[test]
    fn a_region_stands_in_addresses_of_b2_alone_and_cannot_end_a_host_name() {
        let url: StoreUrl = "b2://bucket/prod?region=eu-central-003".parse().unwrap();
        assert_eq!((url.scheme(), url.to_string()), (Scheme::B2, "b2://bucket/prod?region=eu-central-003".to_owned()));
        for query in ["region=a.evil.example", "region=a%2F", "region=", "region=a&region=b", "zone=a", "region=A"] {
            assert!(format!("b2://bucket/prod?{query}").parse::<StoreUrl>().is_err(), "{query}");
        }
        assert!("s3://bucket/prod?region=eu".parse::<StoreUrl>().is_err());
    }
}
