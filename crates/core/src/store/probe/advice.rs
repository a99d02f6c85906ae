//! Lines of `[store]` that fit the store better than what is configured.

use serde::Serialize;

use super::super::checksum::Checksum;
use super::super::deletes::Deletes;
use super::clients::S3Clients;
use super::{Answer, Behaviour, Finding};

/// One line, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The key in `[store]`.
    pub key: &'static str,
    /// Its value, as TOML has it.
    pub value: String,
    /// Why.
    pub because: &'static str,
}

pub(super) fn advice(findings: &[Finding], s3: Option<&S3Clients>) -> Vec<Advice> {
    s3.map(|s3| of(findings, s3.checksum(), s3.parts_max(), s3.deletes())).unwrap_or_default()
}

fn of(findings: &[Finding], checksum: Checksum, parts_max: u64, deletes: Deletes) -> Vec<Advice> {
    let answer = |behaviour| findings.iter().find(|found| found.behaviour == behaviour).map(|found| found.answer);
    let checksum_line = wanted(&answer, checksum).map(|(wanted, because)| Advice {
        key: "checksum",
        value: format!("\"{wanted}\""),
        because,
    });
    let refused = answer(Behaviour::PartNumbers) == Some(Answer::Unsupported) && parts_max > FEW_PARTS;
    let parts_line = refused.then(|| Advice {
        key: "parts_max",
        value: FEW_PARTS.to_string(),
        because: "part 10,000 is refused; the provider's documentation may name another limit",
    });
    let deletes_line = other_deletes(&answer, deletes).map(|(wanted, because)| Advice {
        key: "deletes",
        value: format!("\"{wanted}\""),
        because,
    });
    checksum_line.into_iter().chain(parts_line).chain(deletes_line).collect()
}

/// What deleting should take instead: every version where names only hide and this key may, names where versions cannot be had.
fn other_deletes(answer: &impl Fn(Behaviour) -> Option<Answer>, deletes: Deletes) -> Option<(Deletes, &'static str)> {
    let frees = answer(Behaviour::DeleteFrees);
    match (deletes, frees, answer(Behaviour::DeleteVersion)) {
        (Deletes::Names, Some(Answer::Ignored), Some(Answer::Ok)) => {
            Some((Deletes::Versions, "what is deleted by name is only hidden, wraps of old keys too"))
        }
        (Deletes::Versions, _, Some(Answer::Denied | Answer::Unsupported | Answer::Ignored)) => {
            Some((Deletes::Names, "this key cannot delete versions here"))
        }
        (Deletes::Versions, Some(Answer::Denied | Answer::Unsupported), None) => {
            Some((Deletes::Names, "the store does not tell versions to this key"))
        }
        _ => None,
    }
}

/// The checksum to change to: away from one that fails, and to one where the signature proves nothing or objects are locked.
fn wanted(answer: &impl Fn(Behaviour) -> Option<Answer>, checksum: Checksum) -> Option<(Checksum, &'static str)> {
    let works = |checksum| tried(checksum).and_then(answer) == Some(Answer::Ok);
    let best = [Checksum::Crc64Nvme, Checksum::Sha256].into_iter().find(|checksum| works(*checksum));
    let fails =
        tried(checksum).and_then(answer).is_some_and(|answer| answer != Answer::Ok && answer != Answer::Inconclusive);
    if fails {
        return Some((best.unwrap_or(Checksum::None), "the one that is configured does nothing here, or is refused"));
    }
    if checksum != Checksum::None {
        return None;
    }
    let unproven = answer(Behaviour::SignedPayload) == Some(Answer::Ignored);
    let locked = answer(Behaviour::ObjectLock) == Some(Answer::Ok);
    match (unproven, locked) {
        (true, _) => Some((best?, "the signature proves nothing about the bytes")),
        (_, true) => Some((best?, "buckets that lock objects may refuse parts without one")),
        _ => None,
    }
}

fn tried(checksum: Checksum) -> Option<Behaviour> {
    match checksum {
        Checksum::None => None,
        Checksum::Crc64Nvme => Some(Behaviour::ChecksumCrc64nvme),
        Checksum::Sha256 => Some(Behaviour::ChecksumSha256),
    }
}

/// What a store takes that does not take 10,000.
const FEW_PARTS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::{Checksum, Deletes, of, other_deletes};
    use crate::store::probe::{Answer, Behaviour, follows};

    fn lines(findings: &[(Behaviour, Answer)], checksum: Checksum) -> Vec<String> {
        let findings = follows::told(findings.iter().map(|(behaviour, answer)| (*behaviour, *answer, None)).collect());
        of(&findings, checksum, 10_000, Deletes::Names)
            .iter()
            .map(|line| format!("{} = {}", line.key, line.value))
            .collect()
    }

    const CRC_WORKS: (Behaviour, Answer) = (Behaviour::ChecksumCrc64nvme, Answer::Ok);
    const SHA_WORKS: (Behaviour, Answer) = (Behaviour::ChecksumSha256, Answer::Ok);

    #[test]
    fn a_store_that_proves_the_signed_bytes_needs_nothing_more() {
        let findings = [(Behaviour::SignedPayload, Answer::Ok), CRC_WORKS, (Behaviour::PartNumbers, Answer::Ok)];
        assert!(lines(&findings, Checksum::None).is_empty());
        assert!(lines(&findings, Checksum::Crc64Nvme).is_empty());
    }

    #[test]
    fn a_checksum_is_advised_where_it_is_the_only_proof_or_objects_are_locked() {
        let unproven = (Behaviour::SignedPayload, Answer::Ignored);
        assert_eq!(lines(&[unproven, CRC_WORKS, SHA_WORKS], Checksum::None), ["checksum = \"crc64nvme\""]);
        assert_eq!(
            lines(&[unproven, (Behaviour::ChecksumCrc64nvme, Answer::Ignored), SHA_WORKS], Checksum::None),
            ["checksum = \"sha256\""]
        );
        assert!(lines(&[unproven], Checksum::None).is_empty());
        assert_eq!(
            lines(&[(Behaviour::ObjectLock, Answer::Ok), CRC_WORKS], Checksum::None),
            ["checksum = \"crc64nvme\""]
        );
    }

    #[test]
    fn a_checksum_that_is_refused_is_advised_away() {
        let refused = (Behaviour::ChecksumCrc64nvme, Answer::Unsupported);
        assert_eq!(lines(&[refused, SHA_WORKS], Checksum::Crc64Nvme), ["checksum = \"sha256\""]);
        assert_eq!(lines(&[refused], Checksum::Crc64Nvme), ["checksum = \"none\""]);
    }

    #[test]
    fn every_version_is_advised_where_names_only_hide_and_the_key_may_do_more() {
        let hides = (Behaviour::DeleteFrees, Answer::Ignored);
        assert_eq!(lines(&[hides, (Behaviour::DeleteVersion, Answer::Ok)], Checksum::None), ["deletes = \"versions\""]);
        assert!(lines(&[hides, (Behaviour::DeleteVersion, Answer::Denied)], Checksum::None).is_empty());
        assert!(lines(&[(Behaviour::DeleteFrees, Answer::Ok)], Checksum::None).is_empty());
        let denied = |behaviour| (behaviour == Behaviour::DeleteFrees).then_some(Answer::Denied);
        assert_eq!(other_deletes(&denied, Deletes::Versions).unwrap().0, Deletes::Names);
        assert_eq!(other_deletes(&|_| None, Deletes::Versions), None);
    }

    #[test]
    fn fewer_parts_are_advised_where_the_last_is_refused() {
        assert_eq!(lines(&[(Behaviour::PartNumbers, Answer::Unsupported)], Checksum::None), ["parts_max = 1000"]);
        assert!(lines(&[(Behaviour::PartNumbers, Answer::Inconclusive)], Checksum::None).is_empty());
    }
}
