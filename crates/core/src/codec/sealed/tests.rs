//! Damage and arbitrary slicing of sealed messages; `vectors` holds the standards' own.

mod vectors;

use std::ops::Range;

use proptest::prelude::*;

use super::{
    CHUNK_BYTES, HEADER_BYTES, Header, Opener, RangeOpener, STORED_CHUNK_BYTES, Sealer, TAG_BYTES, message_length,
    open, seal, stored_length, stored_range,
};
use crate::error::{Kind, Result};

const KEY: [u8; 32] = [0x5a; 32];
const CONTEXT: &[u8] = b"backup and object";
const SALT: [u8; 24] = [0xc3; 24];

/// Bytes of which no two chunks are alike.
fn message(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251 + at / CHUNK_BYTES * 7) as u8).collect()
}

fn sealed(length: usize) -> Vec<u8> {
    seal(&KEY, CONTEXT, SALT, &message(length))
}

fn header(stored: &[u8]) -> Header {
    Header::from_bytes(stored[..HEADER_BYTES].try_into().unwrap())
}

/// Opens slices that end at `cuts`, which are in order.
fn open_in_slices(opener: Opener, stored: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<()>) {
    let mut out = Vec::new();
    let opened = push_slices(opener, stored, cuts, &mut out);
    (out, opened)
}

fn push_slices(mut opener: Opener, stored: &[u8], cuts: &[usize], out: &mut Vec<u8>) -> Result<()> {
    let mut start = 0;
    for &cut in cuts.iter().chain([&stored.len()]) {
        opener.push(&stored[start..cut], out)?;
        start = cut;
    }
    opener.finish(out)
}

/// Opens a range from what a store would give for it, in slices of `slice` bytes.
fn open_range(key: &[u8; 32], context: &[u8], stored: &[u8], range: Range<u64>, slice: usize) -> Result<Vec<u8>> {
    let mut opener = RangeOpener::new(key, context, &header(stored), stored.len() as u64, range)?;
    let wanted = opener.stored();
    let mut out = Vec::new();
    for piece in stored[wanted.start as usize..wanted.end as usize].chunks(slice) {
        opener.push(piece, &mut out)?;
    }
    opener.finish(&mut out)?;
    Ok(out)
}

/// Refused with and without a header known beforehand, at once and byte by byte, and nothing but a beginning of the
/// message given.
#[track_caller]
fn refuse(damaged: &[u8], intact: &[u8], what: &str) {
    let whole = open(&KEY, CONTEXT, intact).unwrap();
    let cuts: Vec<usize> = (1..damaged.len()).step_by(4099).collect();
    let recorded = Opener::new(&KEY, CONTEXT, &header(intact)).unwrap();
    for (opener, cuts) in [(recorded, &[][..]), (Opener::reading_header(&KEY, CONTEXT), &cuts)] {
        let (given, opened) = open_in_slices(opener, damaged, cuts);
        assert_eq!(opened.expect_err(what).kind(), Kind::Integrity, "{what}");
        assert!(whole.starts_with(&given), "{what}: unauthenticated bytes were given");
    }
}

/// Lengths at which something could be off by one, and some between.
fn lengths() -> impl Strategy<Value = usize> {
    let near =
        (0..4_usize, -18..18_i64).prop_map(|(chunks, by)| (chunks * CHUNK_BYTES).saturating_add_signed(by as isize));
    prop_oneof![3 => near, 1 => 0..4 * CHUNK_BYTES]
}

fn cuts(of: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=of, 0..8).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

fn length_and_cuts() -> impl Strategy<Value = (usize, Vec<usize>, Vec<usize>)> {
    lengths().prop_flat_map(|length| {
        let stored = stored_length(length as u64) as usize;
        (Just(length), cuts(length), cuts(stored))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn slices_make_no_difference((length, sealing, opening) in length_and_cuts()) {
        let message = message(length);
        let mut sealer = Sealer::new(&KEY, CONTEXT, SALT);
        let mut stored = Vec::new();
        let mut start = 0;
        for &cut in sealing.iter().chain([&length]) {
            sealer.push(&message[start..cut], &mut stored);
            start = cut;
        }
        sealer.finish(&mut stored);
        prop_assert_eq!(&stored, &seal(&KEY, CONTEXT, SALT, &message));
        prop_assert_eq!(stored.len() as u64, stored_length(length as u64));
        prop_assert_eq!(message_length(stored.len() as u64).unwrap(), length as u64);
        for opener in [Opener::reading_header(&KEY, CONTEXT), Opener::new(&KEY, CONTEXT, &header(&stored)).unwrap()] {
            let (opened, end) = open_in_slices(opener, &stored, &opening);
            prop_assert!(end.is_ok());
            prop_assert_eq!(&opened, &message);
        }
    }

    #[test]
    fn a_range_is_exactly_what_a_slice_of_the_message_is(
        (length, ends, _) in length_and_cuts(),
        slice in prop_oneof![Just(1_usize << 20), 1000..40_000_usize],
    ) {
        let (stored, message) = (sealed(length), message(length));
        let bounds: Vec<usize> = [0].into_iter().chain(ends).chain([length]).collect();
        for pair in bounds.windows(2) {
            let range = pair[0] as u64..pair[1] as u64;
            prop_assert_eq!(&open_range(&KEY, CONTEXT, &stored, range, slice).unwrap(), &message[pair[0]..pair[1]]);
        }
        prop_assert_eq!(&open_range(&KEY, CONTEXT, &stored, 0..length as u64, slice).unwrap(), &message);
    }
}

#[test]
fn lengths_that_no_message_has_are_refused() {
    let chunk = STORED_CHUNK_BYTES as u64;
    for stored in [0, 55, 56, 71, 56 + chunk, 56 + chunk + 15, 56 + 3 * chunk, u64::MAX, 56 + (chunk << 38) + 16] {
        assert!(message_length(stored).is_err(), "{stored}");
    }
    let longest = (1_u64 << 52) - 1;
    assert_eq!(message_length(stored_length(longest)).unwrap(), longest);
}

#[test]
fn ranges_that_the_message_does_not_have_are_refused() {
    let stored = stored_length(20_000);
    #[expect(clippy::reversed_empty_ranges, reason = "what a damaged document could ask for")]
    for range in [0..20_001, 20_001..20_001, 5..4, u64::MAX..u64::MAX] {
        assert!(stored_range(range.clone(), stored).is_err(), "{range:?}");
    }
    assert_eq!(stored_range(20_000..20_000, stored).unwrap().count(), 0);
    assert_eq!(stored_range(16_383..16_384, stored).unwrap(), 56..16_456);
    assert_eq!(stored_range(16_384..16_385, stored).unwrap(), 16_456..stored);
}

#[test]
fn a_message_cut_anywhere_near_a_border_is_refused() {
    for length in [0, 7, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 9] {
        let stored = sealed(length);
        let borders = (0..4).map(|chunk| HEADER_BYTES + chunk * STORED_CHUNK_BYTES).chain([0, stored.len()]);
        let around = borders.flat_map(|at| at.saturating_sub(TAG_BYTES + 3)..=at + TAG_BYTES + 3);
        for cut in around.filter(|&cut| cut < stored.len()) {
            refuse(&stored[..cut], &stored, &format!("{length} bytes, cut to {cut} stored bytes"));
        }
    }
}

#[test]
fn every_flipped_bit_of_header_first_and_last_chunk_is_refused() {
    let stored = sealed(CHUNK_BYTES + 100);
    let mut damaged = stored.clone();
    for at in 0..stored.len() {
        for bit in 0..8 {
            damaged[at] ^= 1 << bit;
            let opened = open(&KEY, CONTEXT, &damaged);
            assert!(opened.is_err(), "bit {bit} of byte {at}");
            damaged[at] ^= 1 << bit;
        }
    }
    assert_eq!(open(&KEY, CONTEXT, &damaged).unwrap(), message(CHUNK_BYTES + 100));
}

#[test]
fn chunks_that_were_swapped_doubled_or_dropped_are_refused() {
    let stored = sealed(3 * CHUNK_BYTES + 100);
    let (head, chunks) = stored.split_at(HEADER_BYTES);
    let chunks: Vec<&[u8]> = chunks.chunks(STORED_CHUNK_BYTES).collect();
    let orders: [&[usize]; 9] = [
        &[1, 0, 2, 3],
        &[0, 2, 1, 3],
        &[0, 0, 1, 2, 3],
        &[0, 1, 1, 3],
        &[1, 2, 3],
        &[0, 2, 3],
        &[0, 1, 3],
        &[0, 1, 2],
        &[3],
    ];
    for order in orders {
        let damaged = [head].into_iter().chain(order.iter().map(|&at| chunks[at])).collect::<Vec<_>>().concat();
        refuse(&damaged, &stored, &format!("chunks {order:?}"));
    }
}

#[test]
fn bytes_after_the_message_are_refused() {
    for length in [0, 50, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1] {
        let stored = sealed(length);
        for more in [1, 15, 16, 17, STORED_CHUNK_BYTES - 1, STORED_CHUNK_BYTES, 2 * STORED_CHUNK_BYTES] {
            refuse(&[&stored[..], &vec![0; more]].concat(), &stored, &format!("{more} bytes after {length}"));
        }
        refuse(&[&stored[..], &stored[..]].concat(), &stored, "twice");
        refuse(&[&stored[..], &stored[HEADER_BYTES..]].concat(), &stored, "its chunks twice");
    }
}

#[test]
fn chunks_of_another_message_under_the_same_key_are_refused() {
    let stored = sealed(CHUNK_BYTES + 5);
    let mut other = seal(&KEY, CONTEXT, [0xc4; 24], &message(CHUNK_BYTES + 5));
    refuse(&[&stored[..HEADER_BYTES], &other[HEADER_BYTES..]].concat(), &stored, "the other's chunks");
    // The other message, whole, in the place of the one that was recorded.
    let recorded = Opener::new(&KEY, CONTEXT, &header(&stored)).unwrap();
    let (given, opened) = open_in_slices(recorded, &other, &[]);
    assert!(given.is_empty());
    assert!(opened.unwrap_err().to_string().contains("not those that were recorded"));
    other.truncate(HEADER_BYTES - 1);
    refuse(&other, &stored, "a cut header");
}

#[test]
fn another_key_or_context_is_refused_before_anything_is_opened() {
    let stored = sealed(10);
    for (key, context) in [([0x5b; 32], CONTEXT), (KEY, b"backup and another"), (KEY, b"")] {
        let refused = Opener::new(&key, context, &header(&stored)).unwrap_err();
        assert_eq!(refused.kind(), Kind::Integrity);
        assert!(refused.to_string().contains("commitment"), "{refused}");
        assert!(RangeOpener::new(&key, context, &header(&stored), stored.len() as u64, 0..1).is_err());
        assert!(open(&key, context, &stored).is_err());
    }
}

#[test]
fn an_opener_that_refused_refuses_what_follows() {
    let stored = sealed(2 * CHUNK_BYTES);
    let mut damaged = stored.clone();
    damaged[HEADER_BYTES] ^= 1;
    let first = HEADER_BYTES + STORED_CHUNK_BYTES;
    let mut out = Vec::new();
    let mut opener = Opener::reading_header(&KEY, CONTEXT);
    assert!(opener.push(&damaged[..first], &mut out).is_err());
    assert!(opener.push(&stored[first..], &mut out).is_err());
    assert!(opener.finish(&mut out).is_err());

    let mut range = RangeOpener::new(&KEY, CONTEXT, &header(&stored), stored.len() as u64, 0..32_768).unwrap();
    assert!(range.push(&damaged[HEADER_BYTES..first], &mut out).is_err());
    assert!(range.push(&stored[first..], &mut out).is_err());
    assert!(range.finish(&mut out).is_err());

    let mut wrong = Opener::reading_header(&[0; 32], CONTEXT);
    assert!(wrong.push(&stored, &mut out).is_err());
    assert!(wrong.push(b"", &mut out).is_err());
    assert!(wrong.finish(&mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn a_range_wants_all_its_bytes_and_no_others() {
    let stored = sealed(3 * CHUNK_BYTES + 9);
    let opener = |range| RangeOpener::new(&KEY, CONTEXT, &header(&stored), stored.len() as u64, range).unwrap();
    for range in [10..20, 16_000..17_000, 49_152..49_160, 0..49_161] {
        let Range { start, end } = opener(range.clone()).stored();
        let bytes = &stored[start as usize..end as usize];
        let mut out = Vec::new();
        let mut short = opener(range.clone());
        short.push(&bytes[..bytes.len() - 1], &mut out).unwrap();
        assert!(short.finish(&mut out).is_err(), "{range:?}");
        let mut long = opener(range.clone());
        assert!(long.push(&[bytes, b"x"].concat(), &mut out).is_err(), "{range:?}");
        let mut moved = opener(range.clone());
        let pushed = moved.push(&stored[start as usize - 1..end as usize - 1], &mut out);
        assert!(pushed.is_err() || moved.finish(&mut out).is_err(), "{range:?}");
    }
}

#[test]
fn a_header_is_text_in_documents() {
    let header = header(&sealed(0));
    let text = serde_json::to_string(&header).unwrap();
    assert!(text.starts_with(r#"{"salt":"c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3","commitment":""#), "{text}");
    assert_eq!(serde_json::from_str::<Header>(&text).unwrap(), header);
    for damaged in [text.replacen("c3", "", 1), text.replacen("c3", "g3", 1), text.replacen("c3", "c3c3", 1)] {
        assert!(serde_json::from_str::<Header>(&damaged).is_err());
    }
}

#[test]
fn nothing_that_holds_a_key_prints_it() {
    let sealer = Sealer::new(&KEY, CONTEXT, SALT);
    let range = RangeOpener::new(&KEY, CONTEXT, sealer.header(), 72, 0..0).unwrap();
    let printed = format!("{sealer:?} {:?} {range:?}", Opener::reading_header(&KEY, CONTEXT));
    assert!(!printed.contains("90, 90") && !printed.contains("5a5a"), "{printed}");
}
