//! `lp(a, b, …)`: the one way in which texts become the context of a key.

/// Each field with its length before it, as a big-endian 32-bit number: no two lists of fields give the same bytes.
pub(crate) fn lp(fields: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| 4 + field.len()).sum());
    for field in fields {
        let length = u32::try_from(field.len()).expect("ids and object names are short");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::lp;

    #[test]
    fn fields_cannot_run_into_each_other() {
        assert_eq!(lp(&["ab", "é"]), b"\0\0\0\x02ab\0\0\0\x02\xc3\xa9");
        assert_ne!(lp(&["a", "bc"]), lp(&["ab", "c"]));
        assert_eq!(lp(&[]), b"");
    }
}
