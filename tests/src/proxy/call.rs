//! One request to the S3 server, and what became of it.

use super::Fault;

/// A recorded call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its place in the order of arrival, from 0.
    pub number: usize,
    /// `GET`, `PUT`, …
    pub method: String,
    /// The path, with the bucket, as sent.
    pub path: String,
    /// The query's parameters, as sent.
    pub query: Vec<(String, String)>,
    /// The request's headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the request's body that reached the server.
    pub request_bytes: u64,
    /// The server's status, also when the client never saw it.
    pub status: Option<u16>,
    /// Bytes of the response's body that were sent to the client.
    pub response_bytes: u64,
    /// What the plan did to it.
    pub fault: Option<Fault>,
}

impl Call {
    /// The S3 operation by method and query, such as `UploadPart`; `Other` for what Lifeboat never calls.
    pub fn operation(&self) -> &'static str {
        let has = |name: &str| self.query.iter().any(|(key, _)| key == name);
        let on_bucket = self.path.trim_matches('/').split('/').count() == 1;
        match self.method.as_str() {
            "PUT" if has("partNumber") => "UploadPart",
            "PUT" if on_bucket => "CreateBucket",
            "PUT" if self.header("x-amz-copy-source").is_some() => "CopyObject",
            "PUT" => "PutObject",
            "POST" if has("uploads") => "CreateMultipartUpload",
            "POST" if has("uploadId") => "CompleteMultipartUpload",
            "POST" if has("delete") => "DeleteObjects",
            "DELETE" if has("uploadId") => "AbortMultipartUpload",
            "DELETE" => "DeleteObject",
            "HEAD" if on_bucket => "HeadBucket",
            "HEAD" => "HeadObject",
            "GET" if has("uploads") => "ListMultipartUploads",
            "GET" if has("uploadId") => "ListParts",
            "GET" if on_bucket => "ListObjects",
            "GET" => "GetObject",
            _ => "Other",
        }
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The key without the bucket.
    pub fn key(&self) -> &str {
        self.path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key)
    }
}
