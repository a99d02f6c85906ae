//! Requests that `object_store` has no call for: about the bucket itself, and about old versions of objects.
//!
//! Nothing is ever written so: a server that does not know a query may take the request for another one.

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::{ClientOptions, Result as StoreResult};

use super::S3;
use crate::store::wire::Connector;

/// Makes requests to one bucket.
#[derive(Clone)]
pub(in crate::store) struct Requests {
    builder: AmazonS3Builder,
    connector: Connector,
    client_options: ClientOptions,
    bucket: String,
}

/// An answer.
pub(in crate::store) struct Said {
    pub(in crate::store) status: u16,
    pub(in crate::store) text: String,
}

/// A version of an object, or the mark that it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Version {
    pub(in crate::store) key: String,
    pub(in crate::store) id: String,
    /// Whether it says that the object was deleted.
    pub(in crate::store) is_mark: bool,
}

impl Requests {
    pub(in crate::store) fn new(s3: &S3, bucket: &str) -> Self {
        Self {
            builder: s3.builder.clone(),
            connector: s3.connector.clone(),
            client_options: s3.client_options.clone(),
            bucket: bucket.to_owned(),
        }
    }

    /// Asks about the bucket: `GET /bucket?query`.
    pub(in crate::store) async fn ask(&self, query: &str) -> StoreResult<Said> {
        self.request(http::Method::GET, "", query).await
    }

    /// Asks for the versions of everything whose name begins so; see [`versions`] for the answer.
    pub(in crate::store) async fn ask_versions(&self, begin: &str) -> StoreResult<Said> {
        self.ask(&format!("max-keys=1000&prefix={}&versions=", encoded(begin, &[]))).await
    }

    /// Asks for the open uploads of everything whose name begins so; see [`keys`] for the answer.
    pub(in crate::store) async fn ask_uploads(&self, begin: &str) -> StoreResult<Said> {
        self.ask(&format!("prefix={}&uploads=", encoded(begin, &[]))).await
    }

    /// Deletes one version of an object.
    pub(in crate::store) async fn delete_version(&self, path: &Path, id: &str) -> StoreResult<Said> {
        let query = format!("versionId={}", encoded(id, &[]));
        self.request(http::Method::DELETE, &encoded(path.as_ref(), b"/"), &query).await
    }

    async fn request(&self, method: http::Method, key: &str, query: &str) -> StoreResult<Said> {
        let region = self.value(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let address = self.address(&region);
        let address = if key.is_empty() { address } else { format!("{address}/{key}") };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = format!("{address}?{query}").parse().map_err(generic)?;
        let credential = self.builder.clone().build()?.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &region).try_authorize(&mut request, None)?;
        let client = self.connector.connect(&self.client_options)?;
        let response = client.execute(request).await.map_err(generic)?;
        let status = response.status().as_u16();
        let body = response.into_body().bytes().await.map_err(generic)?;
        Ok(Said { status, text: String::from_utf8_lossy(&body).into_owned() })
    }

    fn address(&self, region: &str) -> String {
        let in_host = self.value(AmazonS3ConfigKey::VirtualHostedStyleRequest).is_some_and(|text| text == "true");
        let address = match (self.value(AmazonS3ConfigKey::S3Endpoint), in_host) {
            (Some(endpoint), true) => endpoint,
            (Some(endpoint), false) => format!("{}/{}", endpoint.trim_end_matches('/'), self.bucket),
            (None, _) => format!("https://s3.{region}.amazonaws.com/{}", self.bucket),
        };
        address.trim_end_matches('/').to_owned()
    }

    fn value(&self, key: AmazonS3ConfigKey) -> Option<String> {
        self.builder.get_config_value(&key)
    }
}

/// The versions that an answer names; none when it answers another question.
pub(in crate::store) fn versions(said: &Said) -> Option<Vec<Version>> {
    if said.status != 200 || !said.text.contains("ListVersionsResult") {
        return None;
    }
    let of = |element, is_mark| elements(&said.text, element).filter_map(move |text| version(text, is_mark));
    Some(of("Version", false).chain(of("DeleteMarker", true)).collect())
}

fn version(element: &str, is_mark: bool) -> Option<Version> {
    let field = |name| elements(element, name).next();
    Some(Version { key: read(field("Key")?), id: field("VersionId")?.to_owned(), is_mark })
}

/// The keys that an answer names.
pub(in crate::store) fn keys(said: &Said) -> impl Iterator<Item = String> + '_ {
    elements(&said.text, "Key").map(read)
}

/// Text of XML as it was before it was written there. Servers write the same letter in several ways.
fn read(text: &str) -> String {
    LETTERS.iter().fold(text.to_owned(), |text, (written, letter)| text.replace(written, letter))
}

/// What begins all the others comes last.
const LETTERS: [(&str, &str); 13] = [
    ("&lt;", "<"),
    ("&#60;", "<"),
    ("&gt;", ">"),
    ("&#62;", ">"),
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#x22;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&#38;", "&"),
    ("&#x26;", "&"),
    ("&amp;", "&"),
];

/// What stands between the tags of each element of this name.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let starts: Vec<_> = text.match_indices(&begin).map(|(at, _)| at + begin.len()).collect();
    starts.into_iter().filter_map(move |start| Some(text[start..].split_once(&end)?.0))
}

/// The code that an error names.
pub(in crate::store) fn code(said: &Said) -> Option<&str> {
    elements(&said.text, "Code").next()
}

fn encoded(text: &str, also: &[u8]) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if also.contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::{Said, Version, encoded, keys, versions};

    #[test]
    fn versions_and_marks_are_told_from_other_answers() {
        let text = "<?xml?><ListVersionsResult xmlns=\"x\"><Version><Key>a/first</Key><VersionId>1</VersionId></Version>\
            <DeleteMarker><Key>a/first</Key><VersionId>2</VersionId></DeleteMarker></ListVersionsResult>";
        let version = |id: &str, is_mark| Version { key: "a/first".into(), id: id.into(), is_mark };
        let said = |status, text: &str| Said { status, text: text.to_owned() };
        assert_eq!(versions(&said(200, text)).unwrap(), [version("1", false), version("2", true)]);
        assert_eq!(versions(&said(403, text)), None);
        assert_eq!(versions(&said(200, "<ListBucketResult/>")), None);
    }

    #[test]
    fn keys_are_read_as_they_were_before_they_became_xml() {
        let text = "<Upload><Key>a&amp;b/&lt;c&gt;&#39;&quot;</Key></Upload><Upload><Key>&amp;lt;</Key></Upload>";
        let said = Said { status: 200, text: text.to_owned() };
        assert_eq!(keys(&said).collect::<Vec<_>>(), ["a&b/<c>'\"", "&lt;"]);
    }

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encoded("a~b c/é+", b"/"), "a~b%20c/%C3%A9%2B");
    }
}
