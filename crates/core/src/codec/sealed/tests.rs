//! Damage and arbitrary slicing of sealed messages, beside the standard's own vectors.

use super::{Header, Opener, open, seal};

#[test]
fn a_sealed_message_opens() {
    for length in [0, 1, 16383, 16384, 16385, 40_000] {
        let message = vec![7; length];
        let sealed = seal(&[1; 32], b"context", [2; 24], &message);
        assert_eq!(open(&[1; 32], b"context", &sealed).unwrap(), message);
        let header = Header::from_bytes(sealed[..56].try_into().unwrap());
        assert!(Opener::new(&[1; 32], b"another", &header).is_err());
    }
}
