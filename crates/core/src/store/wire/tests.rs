use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::PutPayload;
use object_store::client::{HttpErrorKind, HttpRequest, HttpService as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::pace::Pace;
use super::{CHUNK_BYTES, Connector, Network, Wire};

/// Six times as long as what a test's server rests for.
const PATIENCE: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_millis(500);

/// To a store that has answered before.
fn wire(pace: Option<u64>) -> Wire {
    let pace = pace.map(|rate| Arc::new(Pace::new(NonZeroU64::new(rate).unwrap())));
    let wire = Connector::new(&Network::default(), true).unwrap().wire();
    wire.seen.answered.store(true, Ordering::Relaxed);
    Wire { pace, patience: PATIENCE, ..wire }
}

/// A server for one connection, and its address.
async fn serve<F: Future<Output = ()> + Send>(behaviour: impl FnOnce(TcpStream) -> F + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { behaviour(listener.accept().await.unwrap().0).await });
    format!("http://{address}/")
}

fn put(url: &str, bytes: usize) -> HttpRequest {
    let body = PutPayload::from_bytes(Bytes::from(vec![7; bytes]));
    http::Request::put(url).body(body.into()).unwrap()
}

/// Reads a request's head and so many bytes of its body, with a rest after each of the first reads.
async fn take(stream: &mut TcpStream, bytes: usize, rests: u32) -> Vec<u8> {
    let mut taken = Vec::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    for reads in 0.. {
        let head = taken.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        if head.is_some_and(|head| taken.len() - head >= bytes) {
            return taken;
        }
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client went away");
        taken.extend(&buffer[..read]);
        if reads < rests {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    unreachable!("the client goes away before")
}

#[tokio::test]
async fn a_slow_peer_is_waited_for_as_long_as_bytes_move() {
    // The kernel holds some of it; the rest is taken fast.
    let bytes = 64 << 20;
    let url = serve(move |mut stream| async move {
        take(&mut stream, bytes, 200).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").await.unwrap();
        for byte in *b"was kept" {
            tokio::time::sleep(REST).await;
            stream.write_all(&[byte]).await.unwrap();
        }
    })
    .await;
    let began = Instant::now();
    let answer = wire(None).call(put(&url, bytes)).await.unwrap();
    assert_eq!(answer.into_body().bytes().await.unwrap(), "was kept");
    assert!(began.elapsed() > PATIENCE * 2, "it was not slow");
}

/// What the kernel took last is still on its way when the client has nothing more to send.
#[tokio::test]
async fn a_line_that_was_slow_all_along_may_be_as_slow_at_the_end() {
    let bytes = 32 << 20;
    let url = serve(move |mut stream| async move {
        take(&mut stream, bytes, u32::MAX).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let impatient = Wire { patience: REST, ..wire(None) };
    assert_eq!(impatient.call(put(&url, bytes)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_store_that_never_answered_is_given_up_sooner_than_one_that_did() {
    let url = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        take(&mut stream, 100, 0).await;
        std::future::pending::<()>().await;
    })
    .await;
    let silent = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        std::future::pending::<()>().await;
    })
    .await;
    let hasty = || Wire { first_patience: PATIENCE / 3, seen: Arc::default(), ..wire(None) };
    let error = hasty().call(put(&silent, 100)).await.unwrap_err();
    // Of this kind, `object_store` does not try it again.
    assert_eq!((error.kind(), error.to_string()), (HttpErrorKind::Unknown, "HTTP error: no byte moved for 1s".into()));
    let known = hasty();
    known.call(put(&url, 100)).await.unwrap();
    let again = tokio::time::timeout(PATIENCE / 2, known.call(put(&url, 100))).await;
    assert!(again.is_err(), "{again:?}");
}

#[tokio::test]
async fn the_clock_of_the_other_side_is_read_from_its_answers() {
    let url = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let answer = format!("HTTP/1.1 403 Forbidden\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let wire = wire(None);
    assert_eq!(wire.seen.clock.ahead_seconds(), None);
    wire.call(put(&url, 100)).await.unwrap();
    let ahead = wire.seen.clock.ahead_seconds().unwrap();
    assert!((1195..=1205).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_more_is_given_up() {
    let url = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = wire(None).call(put(&url, 64 << 20)).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Timeout);
    assert!(error.to_string().contains("no byte moved for 3s"), "{error}");
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_of_its_answer_is_given_up() {
    let url = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsto").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let answer = wire(None).call(put(&url, 100)).await.unwrap();
    let error = answer.into_body().bytes().await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Timeout);
}

#[tokio::test]
async fn a_body_arrives_whole_and_at_its_pace() {
    let bytes = 10 * CHUNK_BYTES + 5;
    let (told, heard) = tokio::sync::oneshot::channel();
    let url = serve(move |mut stream| async move {
        let taken = take(&mut stream, bytes, 0).await;
        told.send(taken).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let began = Instant::now();
    wire(Some(20 * CHUNK_BYTES as u64)).call(put(&url, bytes)).await.unwrap();
    let taken = heard.await.unwrap();
    assert!(taken.ends_with(&vec![7; bytes]) && !taken.ends_with(&vec![7; bytes + 1]));
    let head = String::from_utf8_lossy(&taken[..taken.len() - bytes]).to_lowercase();
    assert!(head.contains(&format!("content-length: {bytes}")) && !head.contains("chunked"), "{head}");
    // The last chunk goes when the ten before it are through.
    assert!(began.elapsed() >= Duration::from_millis(499), "{:?}", began.elapsed());
}

/// Followed, it would be a GET of another page, whose success says nothing of what was to be stored.
#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let url = serve(|mut stream| async move {
        take(&mut stream, 100, 0).await;
        let to = stream.local_addr().unwrap();
        let answer = format!("HTTP/1.1 303 See Other\r\nlocation: http://{to}/login\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        take(&mut stream, 0, 0).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let answer = wire(None).call(put(&url, 100)).await.unwrap();
    assert_eq!(answer.status(), 303);
}
