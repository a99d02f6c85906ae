//! One client's connection: request after request, each through a connection of its own to the server.

use std::io::{Error, Result};
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::wire::{Body, Head, Passed, Pump, Treatment};
use super::{Call, Fault, Shared};

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

/// Serves one client until either side closes, or a fault does.
pub(crate) async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    // What we close early is reset: a peer must not take it for an orderly end.
    let _ = stream.set_zero_linger();
    let (read, write) = stream.into_split();
    let mut client = Client { read: BufReader::with_capacity(64 << 10, read), write };
    while let Ok(Some(head)) = Head::read(&mut client.read).await {
        let number = record(&shared, &head);
        if !matches!(exchange(&mut client, &head, number, &shared).await, Ok(Passed::Whole)) {
            return;
        }
    }
    let _ = client.write.shutdown().await;
}

/// One request and its response; anything but `Whole` closes the connection.
async fn exchange(client: &mut Client, head: &Head, number: usize, shared: &Shared) -> Result<Passed> {
    let fault = decide(shared, number);
    match fault {
        Some(Fault::Reset) => return Ok(Passed::Cut),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    if head.header("expect").is_some() {
        client.write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    match fault {
        Some(Fault::Answer(status, code)) => return answer(client, head, number, shared, status, code, "").await,
        Some(Fault::Ahead(seconds)) if seconds.abs() >= REFUSED_SECONDS => {
            return answer(client, head, number, shared, 403, "RequestTimeTooSkewed", &date(seconds)).await;
        }
        _ => {}
    }
    let upstream = TcpStream::connect(shared.upstream.ok_or_else(|| Error::other("no upstream"))?).await?;
    upstream.set_nodelay(true)?;
    if matches!(fault, Some(Fault::CutRequest(_))) {
        upstream.set_zero_linger()?;
    }
    let (read, mut write) = upstream.into_split();
    if send(client, head, &mut write, fault, number, shared).await? == Passed::Cut {
        return Ok(Passed::Cut);
    }
    receive(client, &mut BufReader::with_capacity(64 << 10, read), fault, number, shared).await
}

async fn send(
    client: &mut Client,
    head: &Head,
    to: &mut OwnedWriteHalf,
    fault: Option<Fault>,
    number: usize,
    shared: &Shared,
) -> Result<Passed> {
    match fault {
        Some(Fault::DropHeader(name)) => to.write_all(&head.without(name)).await?,
        _ => to.write_all(&head.bytes).await?,
    }
    let mut treatment = limited(shared);
    if let Some(Fault::CutRequest(bytes)) = fault {
        treatment.cut_after = Some(bytes);
    }
    let mut pump = Pump { from: &mut client.read, to, treatment, passed_bytes: 0 };
    let passed = pump.pass(head.request_body()).await;
    let bytes = pump.passed_bytes;
    note(shared, number, |call| call.request_bytes = bytes);
    passed
}

async fn receive(
    client: &mut Client,
    from: &mut BufReader<OwnedReadHalf>,
    fault: Option<Fault>,
    number: usize,
    shared: &Shared,
) -> Result<Passed> {
    let head = final_head(from).await?;
    note(shared, number, |call| call.status = Some(head.status()));
    let body = head.response_body(&method(shared, number));
    let mut treatment = limited(shared);
    match fault {
        Some(Fault::LoseAnswer) => {
            Pump { from, to: &mut tokio::io::sink(), treatment, passed_bytes: 0 }.pass(body).await?;
            return Ok(Passed::Cut);
        }
        Some(Fault::CutResponse(bytes)) => treatment.cut_after = Some(bytes),
        Some(Fault::FlipResponse(byte)) => treatment.flip = Some(byte),
        _ => {}
    }
    match fault {
        Some(Fault::Ahead(seconds)) => client.write.write_all(&dated(&head, seconds)).await?,
        _ => client.write.write_all(&head.bytes).await?,
    }
    let mut pump = Pump { from, to: &mut client.write, treatment, passed_bytes: 0 };
    let passed = pump.pass(body).await;
    let bytes = pump.passed_bytes;
    note(shared, number, |call| call.response_bytes = bytes);
    // A cut after the last byte, and a body that ends by closing, both end the connection too.
    Ok(if matches!(fault, Some(Fault::CutResponse(_))) || body == Body::UntilClose { Passed::Cut } else { passed? })
}

/// The response's head; interim ones are ours to give, see `Expect` above.
async fn final_head(from: &mut BufReader<OwnedReadHalf>) -> Result<Head> {
    loop {
        let head = Head::read(from).await?.ok_or_else(|| Error::other("the server closed without an answer"))?;
        if head.status() >= 200 {
            return Ok(head);
        }
    }
}

async fn answer(
    client: &mut Client,
    head: &Head,
    number: usize,
    shared: &Shared,
    status: u16,
    code: &str,
    header: &str,
) -> Result<Passed> {
    let mut nowhere = tokio::io::sink();
    let mut pump = Pump { from: &mut client.read, to: &mut nowhere, treatment: limited(shared), passed_bytes: 0 };
    pump.pass(head.request_body()).await?;
    note(shared, number, |call| call.status = Some(status));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code}, says the test</Message></Error>"
    );
    let is_head = head.first_line.starts_with("HEAD ");
    let text = format!(
        "HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n{header}\r\n{}",
        body.len(),
        if is_head { "" } else { &body }
    );
    client.write.write_all(text.as_bytes()).await?;
    Ok(Passed::Whole)
}

/// The header in which a server says what time it is.
fn date(ahead_seconds: i64) -> String {
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead_seconds);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    format!("Date: {date}\r\n")
}

/// The head of a response with another date.
fn dated(head: &Head, ahead_seconds: i64) -> Vec<u8> {
    let mut bytes = head.without("date");
    bytes.truncate(bytes.len() - b"\r\n".len());
    bytes.extend(date(ahead_seconds).into_bytes());
    bytes.extend(b"\r\n");
    bytes
}

/// What Amazon and most others allow.
const REFUSED_SECONDS: i64 = 15 * 60;

fn record(shared: &Shared, head: &Head) -> usize {
    let mut calls = shared.calls.lock().unwrap();
    let mut words = head.first_line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let number = calls.len();
    calls.push(Call {
        number,
        method,
        path: path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
        headers: head.headers.clone(),
        ..Call::default()
    });
    number
}

fn decide(shared: &Shared, number: usize) -> Option<Fault> {
    let call = shared.calls.lock().unwrap().get(number).cloned()?;
    let fault = shared.plan.lock().unwrap().fault_for(&call);
    note(shared, number, |call| call.fault = fault);
    fault
}

fn note(shared: &Shared, number: usize, change: impl FnOnce(&mut Call)) {
    // Absent when the test forgot the calls meanwhile.
    if let Some(call) = shared.calls.lock().unwrap().get_mut(number) {
        change(call);
    }
}

fn method(shared: &Shared, number: usize) -> String {
    shared.calls.lock().unwrap().get(number).map(|call| call.method.clone()).unwrap_or_default()
}

fn limited(shared: &Shared) -> Treatment {
    Treatment { bytes_per_second: *shared.bytes_per_second.lock().unwrap(), ..Treatment::default() }
}
