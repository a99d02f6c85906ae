//! The first packets of OpenPGP (RFC 4880, RFC 9580), as far as they tell an encrypted message.
//!
//! Nothing marks such a message. What openssl makes of a file by another passphrase is any bytes at all: so much has to fit together that
//! they are not taken for one.

use super::form::{Form, HEAD_BYTES};

/// What an encrypted message that begins with `head` is opened by; none for what is no such message. It begins with its session key,
/// once or several times, each encrypted to a public key or by a passphrase, and what it holds follows.
pub(super) fn encrypted(head: &[u8]) -> Option<Form> {
    let (packet, rest) = Packet::first(head)?;
    let form = match (packet.tag, packet.body) {
        (TO_A_KEY, [2 | 3, body @ ..]) => {
            body.get(KEY_ID_BYTES).is_none_or(|it| (1..=MOST_ALGORITHMS).contains(it)).then_some(Form::GpgKey)
        }
        // No key is named, or one by as many bytes as its version has.
        (TO_A_KEY, [6, 0 | 21 | 33, ..]) => Some(Form::GpgKey),
        (BY_A_PASSPHRASE, [4, cipher, rest @ ..]) => {
            let is_known = is_cipher(*cipher) && rest.first().is_none_or(|it| matches!(it, 0 | 1 | 3));
            is_known.then_some(Form::GpgPassphrase)
        }
        (BY_A_PASSPHRASE, [5, cipher, ..]) => is_cipher(*cipher).then_some(Form::GpgPassphrase),
        (BY_A_PASSPHRASE, [6, _, cipher, ..]) => is_cipher(*cipher).then_some(Form::GpgPassphrase),
        _ => None,
    };
    let goes_on = match rest.map(<[u8]>::first) {
        Some(Some(next)) => tag(*next).is_some_and(|tag| FOLLOWS.contains(&tag)),
        // It is cut.
        _ => head.len() < HEAD_BYTES,
    };
    form.filter(|_| goes_on)
}

struct Packet<'a> {
    tag: u8,
    /// As far as it is there.
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The first packet, and what is behind it, if that is there.
    fn first(head: &'a [u8]) -> Option<(Self, Option<&'a [u8]>)> {
        let (first, rest) = head.split_first()?;
        let tag = tag(*first)?;
        let (length_bytes, length) = if first & NEW != 0 { new_length(rest)? } else { old_length(*first, rest)? };
        let behind = rest.get(length_bytes..)?;
        let (body, rest) = behind.split_at_checked(length).map_or((behind, None), |(body, rest)| (body, Some(rest)));
        Some((Self { tag, body }, rest))
    }
}

/// What kind of packet begins with this byte; none where it begins none.
fn tag(first: u8) -> Option<u8> {
    match (first & ANY != 0, first & NEW != 0) {
        (false, _) => None,
        (true, true) => Some(first & 0x3f),
        (true, false) => Some(first >> 2 & 0x0f),
    }
}

/// How many bytes tell the length, and the length.
fn new_length(rest: &[u8]) -> Option<(usize, usize)> {
    match *rest {
        [one @ 0..=191, ..] => Some((1, usize::from(one))),
        [one @ 192..=223, two, ..] => Some((2, ((usize::from(one) - 192) << 8) + usize::from(two) + 192)),
        // Neither a length of four bytes, nor one in parts: such a key is in none.
        _ => None,
    }
}

fn old_length(first: u8, rest: &[u8]) -> Option<(usize, usize)> {
    match (first & 3, rest) {
        (0, [one, ..]) => Some((1, usize::from(*one))),
        (1, [one, two, ..]) => Some((2, usize::from(u16::from_be_bytes([*one, *two])))),
        _ => None,
    }
}

fn is_cipher(algorithm: u8) -> bool {
    (1..=MOST_CIPHERS).contains(&algorithm)
}

const ANY: u8 = 0x80;
const NEW: u8 = 0x40;
const TO_A_KEY: u8 = 1;
const BY_A_PASSPHRASE: u8 = 3;
/// Another session key, or what was encrypted: as it was first, with its proof, and as GnuPG 2.3 and later do it.
const FOLLOWS: [u8; 5] = [TO_A_KEY, BY_A_PASSPHRASE, 9, 18, 20];
const KEY_ID_BYTES: usize = 8;
/// Of public keys; 35 and 36 are the newest.
const MOST_ALGORITHMS: u8 = 40;
/// 13 is Camellia with 256 bits.
const MOST_CIPHERS: u8 = 13;

#[cfg(test)]
mod tests {
    use super::{Form, HEAD_BYTES, encrypted};

    /// Bytes that are any at all, and always the same.
    fn noise(count: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..count).map(move |_| (0..HEAD_BYTES / 8).flat_map(|_| next().to_le_bytes()).collect())
    }

    /// How messages begin that gpg 2.2.40 made.
    const BY_PASSPHRASE: &str = "8c0d0409030213cb6d7400445eecffd2ed01b9b2";
    const UNPROTECTED: &str = "8c0d04030302356dc5481293de29ffc9ed1650f2";

    #[test]
    fn messages_of_gpg_are_told() {
        for head in [BY_PASSPHRASE, UNPROTECTED, "c30d0409030213cb6d7400445eecffd2ed01"] {
            assert_eq!(encrypted(&hex::decode(head).unwrap()), Some(Form::GpgPassphrase), "{head}");
        }
        let to_a_key = [&b"\x85\x01\x8c\x03\x11\x22\x33\x44\x55\x66\x77\x88\x01"[..], &[7; 386], b"\xd2\xc0"].concat();
        assert_eq!(encrypted(&to_a_key), Some(Form::GpgKey));
        let both = [&to_a_key[..to_a_key.len() - 2], &hex::decode(BY_PASSPHRASE).unwrap()].concat();
        assert_eq!(encrypted(&both), Some(Form::GpgKey));
        for cut in [5, 12, 20, 300] {
            assert_eq!(encrypted(&to_a_key[..cut]), Some(Form::GpgKey), "{cut}");
        }
    }

    /// One in thousands would be, if two bytes were believed.
    #[test]
    fn noise_is_no_message() {
        assert_eq!(noise(20_000).filter(|head| encrypted(head).is_some()).count(), 0);
    }
}
