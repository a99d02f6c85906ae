//! As much HTTP/1.1 as is needed to see where a message ends (RFC 9112, section 6).

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

const PIECE: usize = 64 << 10;

/// The first line and the headers, as received.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// How the body's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

/// What happens to a body on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Treatment {
    pub(crate) cut_after: Option<u64>,
    pub(crate) flip: Option<u64>,
    pub(crate) bytes_per_second: Option<u64>,
}

/// How the passing of a body ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Whole,
    Cut,
}

/// Passes one body on and counts its bytes, chunk framing not included.
pub(crate) struct Pump<'a, R, W> {
    pub(crate) from: &'a mut BufReader<R>,
    pub(crate) to: &'a mut W,
    pub(crate) treatment: Treatment,
    pub(crate) passed_bytes: u64,
}

impl Head {
    /// Reads up to the empty line; none when the peer closed between messages.
    pub(crate) async fn read<R: AsyncRead + Unpin>(from: &mut BufReader<R>) -> Result<Option<Head>> {
        let mut bytes = Vec::new();
        loop {
            let line_start = bytes.len();
            if from.read_until(b'\n', &mut bytes).await? == 0 {
                return if bytes.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            if line_start > 0 && bytes[line_start..].trim_ascii().is_empty() {
                return Ok(Some(Head::parse(bytes)));
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The bytes without the line of this header.
    pub(crate) fn without(&self, name: &str) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.bytes);
        let is_it = |line: &str| line.split_once(':').is_some_and(|(header, _)| header.eq_ignore_ascii_case(name));
        text.split_inclusive('\n').filter(|line| !is_it(line)).collect::<String>().into_bytes()
    }

    /// The body of a request.
    pub(crate) fn request_body(&self) -> Body {
        match self.framing() {
            Body::UntilClose => Body::Length(0),
            body => body,
        }
    }

    /// The body of the response to a request of this method.
    pub(crate) fn response_body(&self, method: &str) -> Body {
        match self.status() {
            _ if method == "HEAD" => Body::Length(0),
            204 | 304 => Body::Length(0),
            _ => self.framing(),
        }
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn parse(bytes: Vec<u8>) -> Head {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines();
        let first_line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        };
        Head { bytes, first_line, headers: lines.filter_map(header).collect() }
    }

    fn framing(&self) -> Body {
        if self.header("transfer-encoding").is_some_and(|value| value.to_lowercase().contains("chunked")) {
            return Body::Chunked;
        }
        self.header("content-length").and_then(|value| value.parse().ok()).map_or(Body::UntilClose, Body::Length)
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pump<'_, R, W> {
    pub(crate) async fn pass(&mut self, body: Body) -> Result<Passed> {
        if self.treatment.cut_after == Some(0) {
            return Ok(Passed::Cut);
        }
        let passed = match body {
            Body::Length(length) => self.pass_bytes(length).await,
            Body::Chunked => self.pass_chunks().await,
            Body::UntilClose => self.pass_bytes(u64::MAX).await,
        };
        self.to.flush().await?;
        passed
    }

    async fn pass_chunks(&mut self) -> Result<Passed> {
        loop {
            let size = self.pass_line().await?;
            let digits = size.split(';').next().unwrap_or_default();
            let length = u64::from_str_radix(digits, 16).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            if length == 0 {
                while !self.pass_line().await?.is_empty() {}
                return Ok(Passed::Whole);
            }
            if self.pass_bytes(length).await? == Passed::Cut {
                return Ok(Passed::Cut);
            }
            self.pass_line().await?;
        }
    }

    async fn pass_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        if self.from.read_until(b'\n', &mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.to.write_all(&line).await?;
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    async fn pass_bytes(&mut self, length: u64) -> Result<Passed> {
        let mut piece = vec![0; PIECE];
        let mut rest = length;
        while rest > 0 {
            let limit = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
            let got = self.from.read(&mut piece[..limit]).await?;
            if got == 0 {
                return if length == u64::MAX { Ok(Passed::Whole) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            rest -= got as u64;
            if self.forward(&mut piece[..got]).await? == Passed::Cut {
                return Ok(Passed::Cut);
            }
        }
        Ok(Passed::Whole)
    }

    async fn forward(&mut self, piece: &mut [u8]) -> Result<Passed> {
        let at = self.passed_bytes;
        let offset = |place: u64| usize::try_from(place.checked_sub(at)?).ok();
        if let Some(byte) = self.treatment.flip.and_then(offset).and_then(|offset| piece.get_mut(offset)) {
            *byte ^= 1;
        }
        let keep = self.treatment.cut_after.and_then(offset).filter(|keep| *keep <= piece.len());
        let piece = &piece[..keep.unwrap_or(piece.len())];
        self.to.write_all(piece).await?;
        self.passed_bytes += piece.len() as u64;
        if let Some(rate) = self.treatment.bytes_per_second {
            tokio::time::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64)).await;
        }
        Ok(if keep.is_some() { Passed::Cut } else { Passed::Whole })
    }
}
