//! Clients of an S3 store for what an ordinary one never does: bytes that change on the way, writes under a condition.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use object_store::{ClientOptions, Result as StoreResult};

use super::super::checksum::Checksum;
use super::super::deletes::Deletes;
use super::super::open::no_retry;
use super::super::s3::{Requests, S3};
use super::super::wire;
use crate::error::{Kind, Result, ResultExt};

/// What clients of one bucket are made of.
pub(super) struct S3Clients {
    s3: S3,
    bucket: String,
}

impl S3Clients {
    pub(super) fn new(s3: S3, bucket: &str) -> Result<Self> {
        Ok(Self { s3, bucket: bucket.to_owned() })
    }

    /// As backups use it, but for repetitions.
    pub(super) fn plain(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.summed())
    }

    /// One whose writes may bear a condition.
    pub(super) fn conditional(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.summed().with_conditional_put(S3ConditionalPut::ETagMatch))
    }

    /// One that leaves the bytes out of the signature.
    pub(super) fn unsigned(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.builder.clone().with_unsigned_payload(true))
    }

    /// One that signs what it means to send, and sends something else.
    pub(super) fn tampered(&self) -> Result<Arc<AmazonS3>> {
        self.build(self.s3.builder.clone().with_unsigned_payload(false).with_http_connector(self.tampering()))
    }

    /// One that leaves the bytes out of the signature and proves them by this checksum alone.
    pub(super) fn summed(&self, checksum: Checksum, tampered: bool) -> Result<Arc<AmazonS3>> {
        let mut builder = self.s3.builder.clone().with_unsigned_payload(true);
        if let Some(checksum) = checksum.of_s3() {
            builder = builder.with_checksum_algorithm(checksum);
        }
        self.build(if tampered { builder.with_http_connector(self.tampering()) } else { builder })
    }

    /// The checksum that is configured.
    pub(super) fn checksum(&self) -> Checksum {
        self.s3.checksum
    }

    /// What deleting takes, as configured.
    pub(super) fn deletes(&self) -> Deletes {
        self.s3.deletes
    }

    /// Parts that an object may have, as configured.
    pub(super) fn parts_max(&self) -> u64 {
        self.s3.parts_max
    }

    /// The store's clock.
    pub(super) fn clock(&self) -> Arc<wire::Clock> {
        self.s3.connector.clock()
    }

    /// Requests about the bucket and about old versions.
    pub(super) fn requests(&self) -> Requests {
        Requests::new(&self.s3, &self.bucket)
    }

    fn tampering(&self) -> Connector {
        Connector(self.s3.connector.clone())
    }

    fn build(&self, builder: AmazonS3Builder) -> Result<Arc<AmazonS3>> {
        let built = builder.with_retry(no_retry()).build();
        Ok(Arc::new(built.kind_of(Kind::Config, || format!("open the bucket {}", self.bucket))?))
    }
}

/// Makes clients that change what they send.
#[derive(Debug)]
struct Connector(wire::Connector);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> StoreResult<HttpClient> {
        Ok(HttpClient::new(Tampering { inner: self.0.connect(options)? }))
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
