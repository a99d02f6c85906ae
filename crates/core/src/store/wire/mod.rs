//! The way of a request to the store: bodies at the pace that is allowed, and an end to peers that stand still.
//!
//! `object_store` would bound the time of a whole request, and so cut off every line that is slow but works. What counts
//! here is whether bytes move.
//!
//! Invariant: a request in which no byte moves for as long as `patience` says ends with an error that is tried again; before
//! the store answered anything, as `first_patience` says.

mod client;
mod clock;
mod pace;
mod partial;
mod pulse;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http::header::{CONTENT_LENGTH, RANGE};
use http_body_util::{BodyExt as _, StreamBody};
use object_store::client::{
    HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};

pub(super) use client::Connector;
pub use client::Network;
pub(super) use clock::Clock;
use pace::Pace;
pub(super) use pulse::STILL;
use pulse::{Pulse, Still};

/// Sends requests and watches their bytes.
#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    /// For the services of a cloud's machine that hand out its credentials: past every proxy.
    direct: reqwest::Client,
    pace: Option<Arc<Pace>>,
    patience: Duration,
    first_patience: Duration,
    seen: Arc<Seen>,
}

/// What all clients of one store have seen of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether it ever answered.
    answered: AtomicBool,
    clock: Arc<Clock>,
}

#[async_trait::async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let (pulse, is_first) = (Arc::new(Pulse::new(self.patience_for(&head))), !self.has_answered());
        let of_range = head.headers.contains_key(RANGE);
        let url = head.uri.to_string().parse().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let of_machine = is_link_local(&url);
        let client = if of_machine { &self.direct } else { &self.client };
        let mut outgoing = reqwest::Request::new(head.method, url);
        *outgoing.headers_mut() = head.headers;
        if body.content_length() > 0 {
            // A body without it goes out in chunks, which stores refuse. No signature covers it.
            outgoing.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| body.content_length().into());
        }
        *outgoing.body_mut() = Some(self.sending(body, &pulse));
        let answered = pulse.unless_still(client.execute(outgoing)).await;
        let answered = answered.map_err(if is_first { silent } else { still })?;
        let answer: http::Response<reqwest::Body> = answered.map_err(failed)?.into();
        let (mut head, body) = answer.into_parts();
        pulse.answered();
        if !of_machine {
            self.seen.answered.store(true, Ordering::Relaxed);
            self.seen.clock.note(&head.headers);
        }
        if of_range {
            partial::named(&mut head);
        }
        let frames = self.receiving(body, pulse).map_ok(http_body::Frame::data);
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(StreamBody::new(frames))))
    }
}

impl Wire {
    fn has_answered(&self) -> bool {
        self.seen.answered.load(Ordering::Relaxed)
    }

    fn patience_for(&self, head: &http::request::Parts) -> Duration {
        match head {
            _ if !self.has_answered() => self.first_patience.min(self.patience),
            head if completes(head) => COMPLETION.max(self.patience),
            _ => self.patience,
        }
    }

    /// The body in chunks, each let go when its turn comes.
    fn sending(&self, body: HttpRequestBody, pulse: &Arc<Pulse>) -> reqwest::Body {
        if body.content_length() == 0 {
            return reqwest::Body::default();
        }
        let (pace, pulse) = (self.pace.clone(), Arc::clone(pulse));
        let size = if pace.is_some() { PACED_CHUNK_BYTES } else { CHUNK_BYTES };
        let chunks =
            body.into_data_stream().map_ok(move |bytes| stream::iter(chunks(bytes, size).map(Ok))).try_flatten();
        reqwest::Body::wrap_stream(chunks.and_then(move |chunk| {
            let (pace, pulse) = (pace.clone(), Arc::clone(&pulse));
            async move {
                pulse.beat();
                in_turn(pace.as_deref(), &chunk).await;
                pulse.beat();
                Ok::<_, HttpError>(chunk)
            }
        }))
    }

    fn receiving(
        &self,
        body: reqwest::Body,
        pulse: Arc<Pulse>,
    ) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + Sync + use<> {
        let arriving = body.into_data_stream().map_err(failed);
        stream::try_unfold((Box::pin(arriving), pulse, self.pace.clone()), |(mut arriving, pulse, pace)| async move {
            pulse.beat();
            let Some(chunk) = pulse.unless_still(arriving.next()).await.map_err(still)?.transpose()? else {
                return Ok(None);
            };
            in_turn(pace.as_deref(), &chunk).await;
            Ok(Some((chunk, (arriving, pulse, pace))))
        })
    }
}

async fn in_turn(pace: Option<&Pace>, chunk: &Bytes) {
    if let Some(pace) = pace {
        pace.turn(chunk.len()).await;
    }
}

fn chunks(bytes: Bytes, size: usize) -> impl Iterator<Item = Bytes> {
    (0..bytes.len()).step_by(size).map(move |at| bytes.slice(at..bytes.len().min(at + size)))
}

/// Whether the store is asked to put an object together of its parts, which takes it longer the larger it is.
fn completes(head: &http::request::Parts) -> bool {
    head.method == http::Method::POST && head.uri.query().is_some_and(|query| query.contains("uploadId="))
}

fn is_link_local(url: &reqwest::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_link_local(),
        Some(url::Host::Ipv6(address)) => address.segments()[..2] == [0xfd00, 0x0ec2],
        _ => false,
    }
}

fn still(error: Still) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, error)
}

/// Not to be tried again before the operator has heard of it.
fn silent(error: Still) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

/// The URL stands in what `object_store` says already.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        timeout if timeout.is_timeout() => HttpErrorKind::Timeout,
        connect if connect.is_connect() => HttpErrorKind::Connect,
        decode if decode.is_decode() => HttpErrorKind::Decode,
        _ => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error.without_url())
}

/// So little that a slow line moves several within the patience, and so much that sending them costs nothing.
const CHUNK_BYTES: usize = 128 << 10;
/// Less, so that the turn of each request comes often: stores close a connection that is idle for 20 seconds.
const PACED_CHUNK_BYTES: usize = 16 << 10;
/// How long a store may take for that without a word.
const COMPLETION: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
