//! Clients of an S3 store for what an ordinary one never does: bytes that change on the way, writes under a condition,
//! requests about the bucket itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, S3ConditionalPut};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
};
use object_store::{ClientOptions, Result as StoreResult};

use super::super::checksum::Checksum;
use super::super::open::no_retry;
use super::super::s3::S3;
use super::super::wire;
use crate::error::{Kind, Result, ResultExt};

/// What clients of one bucket are made of.
pub(super) struct S3Clients {
    s3: S3,
    bucket: String,
    clock: Arc<Clock>,
}

/// What a bucket says of itself.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) text: String,
}

impl S3Clients {
    pub(super) fn new(s3: S3, bucket: &str) -> Result<Self> {
        Ok(Self { s3, bucket: bucket.to_owned(), clock: Arc::default() })
    }

    /// As backups use it, but for repetitions.
    pub(super) fn plain(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.summed().with_http_connector(Connector::noting(&self.s3, &self.clock)))
    }

    /// One whose writes may bear a condition.
    pub(super) fn conditional(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.summed().with_conditional_put(S3ConditionalPut::ETagMatch))
    }

    /// One that signs what it means to send, and sends something else.
    pub(super) fn tampered(&self) -> Result<Arc<AmazonS3>> {
        self.build(
            self.s3.builder.clone().with_unsigned_payload(false).with_http_connector(Connector::tampering(&self.s3)),
        )
    }

    /// One that leaves the bytes out of the signature and proves them by this checksum alone.
    pub(super) fn summed(&self, checksum: Checksum, tampered: bool) -> Result<Arc<AmazonS3>> {
        let mut builder = self.s3.builder.clone().with_unsigned_payload(true);
        if let Some(checksum) = checksum.of_s3() {
            builder = builder.with_checksum_algorithm(checksum);
        }
        self.build(if tampered { builder.with_http_connector(Connector::tampering(&self.s3)) } else { builder })
    }

    /// The checksum that is configured.
    pub(super) fn checksum(&self) -> Checksum {
        self.s3.checksum
    }

    /// Parts that an object may have, as configured.
    pub(super) fn parts_max(&self) -> u64 {
        self.s3.parts_max
    }

    /// How far the store's clock is ahead of ours.
    pub(super) fn clock_ahead_seconds(&self) -> Option<i64> {
        self.clock.ahead_seconds()
    }

    /// Asks about the bucket: `GET /bucket?query`. Nothing is ever written so: a server that does not know the query may
    /// take such a request for another one.
    pub(super) async fn ask(&self, query: &str) -> StoreResult<Said> {
        let value = |key| self.s3.builder.get_config_value(&key);
        let region = value(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let in_host = value(AmazonS3ConfigKey::VirtualHostedStyleRequest).is_some_and(|text| text == "true");
        let address = match (value(AmazonS3ConfigKey::S3Endpoint), in_host) {
            (Some(endpoint), true) => endpoint,
            (Some(endpoint), false) => format!("{}/{}", endpoint.trim_end_matches('/'), self.bucket),
            (None, _) => format!("https://s3.{region}.amazonaws.com/{}", self.bucket),
        };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{}?{query}", address.trim_end_matches('/')).parse().map_err(generic)?;
        let credential = self.s3.builder.clone().build()?.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &region).try_authorize(&mut request, None)?;
        let client = self.s3.connector.connect(&self.s3.client_options)?;
        let response = client.execute(request).await.map_err(generic)?;
        let status = response.status().as_u16();
        let body = response.into_body().bytes().await.map_err(generic)?;
        Ok(Said { status, text: String::from_utf8_lossy(&body).into_owned() })
    }

    fn build(&self, builder: AmazonS3Builder) -> Result<Arc<AmazonS3>> {
        let built = builder.with_retry(no_retry()).build();
        Ok(Arc::new(built.kind_of(Kind::Config, || format!("open the bucket {}", self.bucket))?))
    }
}

/// How far the clock of the other side is ahead, by the answers that came.
#[derive(Debug)]
struct Clock(AtomicI64);

impl Clock {
    fn note(&self, response: &HttpResponse) {
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let theirs = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(theirs) = theirs {
            self.0.store(theirs.as_second() - Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }

    fn ahead_seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != i64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

/// Makes clients that note the other side's clock, or change what they send.
#[derive(Debug)]
struct Connector {
    wire: wire::Connector,
    clock: Option<Arc<Clock>>,
}

impl Connector {
    fn noting(s3: &S3, clock: &Arc<Clock>) -> Self {
        Self { wire: s3.connector.clone(), clock: Some(Arc::clone(clock)) }
    }

    fn tampering(s3: &S3) -> Self {
        Self { wire: s3.connector.clone(), clock: None }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> StoreResult<HttpClient> {
        let inner = self.wire.connect(options)?;
        Ok(match &self.clock {
            Some(clock) => HttpClient::new(Noting { inner, clock: Arc::clone(clock) }),
            None => HttpClient::new(Tampering { inner }),
        })
    }
}

#[derive(Debug)]
struct Noting {
    inner: HttpClient,
    clock: Arc<Clock>,
}

#[async_trait]
impl HttpService for Noting {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.inner.execute(request).await?;
        self.clock.note(&response);
        Ok(response)
    }
}

#[derive(Debug)]
struct Tampering {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Tampering {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        // Of the same length: nothing but a digest can tell.
        let other = Bytes::from(vec![b'#'; body.content_length()]);
        self.inner.execute(HttpRequest::from_parts(head, other.into())).await
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: source.into() }
}
