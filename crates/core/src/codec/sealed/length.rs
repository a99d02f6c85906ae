//! Lengths and ranges of messages, and of what is stored for them: arithmetic alone.

use std::ops::Range;

use super::{CHUNK_BYTES, HEADER_BYTES, MAX_CHUNKS, STORED_CHUNK_BYTES, TAG_BYTES};
use crate::error::{Error, Kind, Result};

/// How many bytes a message of `message_length` bytes is stored in.
///
/// # Panics
/// When no message is so long: 4 PiB and more.
#[must_use]
pub fn stored_length(message_length: u64) -> u64 {
    assert!(message_length / CHUNK < MAX_CHUNKS, "a message has at most 4 PiB");
    HEADER + message_length + (message_length / CHUNK + 1) * TAG
}

/// How long the message is that is stored in `stored_length` bytes.
///
/// # Errors
/// [`Kind::Integrity`] when no message is stored in so many: it was cut.
pub fn message_length(stored_length: u64) -> Result<u64> {
    let chunks = stored_length.checked_sub(HEADER).ok_or_else(|| no_length(stored_length))?;
    let (full, last) = (chunks / STORED_CHUNK, chunks % STORED_CHUNK);
    match last.checked_sub(TAG) {
        Some(last) if full < MAX_CHUNKS => Ok(full * CHUNK + last),
        _ => Err(no_length(stored_length)),
    }
}

/// Which stored bytes open to a range of the message: the whole chunks it touches, and the last chunk, though it may be
/// empty, when the range reaches the message's end. Nothing for an empty range.
///
/// # Errors
/// [`Kind::Integrity`] when the message has no such range, or `stored_length` is no message's.
pub fn stored_range(message: Range<u64>, stored_length: u64) -> Result<Range<u64>> {
    let length = message_length(stored_length)?;
    if message.start > message.end || message.end > length {
        let text = format!("open bytes {} to {} of a sealed object that holds {length}", message.start, message.end);
        return Err(Error::new(Kind::Integrity, text));
    }
    let start = HEADER + message.start / CHUNK * STORED_CHUNK;
    if message.is_empty() {
        return Ok(start..start);
    }
    // A message that ends with a full chunk is proven to end there by the empty one that follows.
    let chunks = if message.end == length { message.end / CHUNK + 1 } else { message.end.div_ceil(CHUNK) };
    Ok(start..stored_length.min(HEADER + chunks * STORED_CHUNK))
}

fn no_length(stored_length: u64) -> Error {
    Error::new(Kind::Integrity, format!("open a sealed object: it is cut, for none has {stored_length} bytes"))
}

const HEADER: u64 = HEADER_BYTES as u64;
const CHUNK: u64 = CHUNK_BYTES as u64;
const TAG: u64 = TAG_BYTES as u64;
const STORED_CHUNK: u64 = STORED_CHUNK_BYTES as u64;
