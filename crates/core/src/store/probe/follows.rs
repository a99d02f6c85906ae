//! What follows for backups from what a store does.

use super::{Answer, Behaviour, Finding};

/// The findings with what follows from each.
pub(super) fn told(findings: Vec<(Behaviour, Answer, Option<String>)>) -> Vec<Finding> {
    let told = |(behaviour, answer, detail): (_, _, Option<String>)| Finding {
        behaviour,
        answer,
        detail: detail.map(|text| in_one_line(&text)),
        follows: follows(behaviour, answer),
    };
    findings.into_iter().map(told).collect()
}

/// What a server says must not steer a terminal.
fn in_one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(DETAIL_LETTERS).collect()
}

const DETAIL_LETTERS: usize = 300;

fn follows(behaviour: Behaviour, answer: Answer) -> String {
    match answer {
        Answer::Inconclusive => format!("nobody knows: run the test again; until then, {}", until_known(behaviour)),
        answer => known(behaviour, answer).to_owned(),
    }
}

/// What to go by while a behaviour is not known.
fn until_known(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::SignedPayload | Behaviour::ChecksumCrc64nvme | Behaviour::ChecksumSha256 => {
            "leave the checksum as it is"
        }
        Behaviour::PartNumbers => "keep to the number of parts that the provider names",
        Behaviour::Write | Behaviour::Multipart | Behaviour::Read | Behaviour::List => "do not rely on this key for it",
        Behaviour::Delete | Behaviour::DeleteFrees | Behaviour::DeleteVersion => {
            "take it that this key can delete backups, and that what is deleted stays"
        }
        _ => "do not count on it",
    }
}

fn known(behaviour: Behaviour, answer: Answer) -> &'static str {
    use Answer::{Denied, Ignored, Ok};
    match (behaviour, answer) {
        (Behaviour::Write, Ok) => "this key can back up",
        (Behaviour::Write, Denied) => "this key cannot back up: it is for reading",
        (Behaviour::Write, _) => "no backup can be written here",

        (Behaviour::SignedPayload, Ok) => "what arrives is what was sent: no other checksum is needed for that",
        (Behaviour::SignedPayload, _) => "the signature proves nothing about the bytes: send a checksum",
        (Behaviour::ChecksumCrc64nvme, Ok) => "checksum = \"crc64nvme\" can be used",
        (Behaviour::ChecksumSha256, Ok) => "checksum = \"sha256\" can be used",
        (Behaviour::ChecksumCrc64nvme | Behaviour::ChecksumSha256, Ignored) => {
            "this checksum is taken and not looked at: it proves nothing"
        }
        (Behaviour::ChecksumCrc64nvme | Behaviour::ChecksumSha256, _) => "do not send this checksum",

        (Behaviour::UnsignedPayload, Ok) => {
            "AWS_UNSIGNED_PAYLOAD=true would work; use it with a checksum that is proven, if at all"
        }
        (Behaviour::UnsignedPayload, _) => "never set AWS_UNSIGNED_PAYLOAD for it",
        (Behaviour::Metadata, Denied) => "this key may not know; nothing: Lifeboat keeps nothing there",
        (Behaviour::Metadata, _) => "nothing: Lifeboat keeps nothing there",

        (Behaviour::CreateOnly, Ok) => "other tools can rely on it; Lifeboat writes no name twice",
        (Behaviour::CreateOnly, Ignored) => {
            "DANGER for tools that rely on it: they overwrite. Lifeboat does not: it writes no name twice"
        }
        (Behaviour::CreateOnly, _) => "nothing: Lifeboat writes no name twice",
        (Behaviour::CreateRace, Ok) => "it holds under a race too",
        (Behaviour::CreateRace, _) => "it does not hold under a race: no lock can be built on it",

        (Behaviour::Multipart, Ok) => "backups of any size can be written",
        (Behaviour::Multipart, _) => "nothing larger than one part (16 MiB) can be written: no backups here",
        (Behaviour::CompleteAgain, Ok) => "a lost answer at the end of an upload costs nothing",
        (Behaviour::CompleteAgain, _) => {
            "when the answer at the end of an upload is lost, a key that may read looks; with one that may not, the backup is \
             run again"
        }
        (Behaviour::UnequalParts, _) => "nothing: all of Lifeboat's parts but the last have one size",
        (Behaviour::PartNumbers, Ok) => "objects may have 10,000 parts",
        (Behaviour::PartNumbers, _) => {
            "objects must have fewer parts: set parts_max to what the provider names, such as 1000"
        }
        (Behaviour::ListUploads, Ok) => "what killed runs left open can be seen",
        (Behaviour::ListUploads, Denied) => "fine: a run finds what an earlier one left open in its own journal",
        (Behaviour::ListUploads, _) => "the server does not show open uploads: only this host's journal knows them",
        (Behaviour::Abort, Ok) => "a run that ends early leaves nothing behind",
        (Behaviour::Abort, _) => {
            "parts of runs that ended early stay, and cost: have the bucket remove open uploads by a rule"
        }
        (Behaviour::AbortAgain, Ok) => "an abort whose answer was lost is known to be done",
        (Behaviour::AbortAgain, _) => "an abort whose answer was lost is tried again by every run, in vain",

        (Behaviour::Read, Ok) => "this key can restore, verify and drill",
        (Behaviour::Read, Denied) => "good for a host that only backs up: it cannot read backups",
        (Behaviour::Read, _) => "no backup can be restored from here",
        (Behaviour::ReadIfMatch, Ok) => "an object that changes under a restore ends it at once",
        (Behaviour::ReadIfMatch, _) => "an object that changes under a restore is found by its digest, later",
        (Behaviour::List, Ok) => "`lifeboat list` works with this key",
        (Behaviour::List, Denied) => {
            "good for a host that only backs up; `lifeboat list`, restore and drill need another key"
        }
        (Behaviour::List, _) => "`lifeboat list` does not see what is here",
        (Behaviour::ListAfter, Ok) => "a long listing that breaks off goes on where it stopped",
        (Behaviour::ListAfter, _) => "a long listing that breaks off may tell names twice or not at all: run it again",

        (Behaviour::Delete, Ok) => {
            "whoever has this key can delete backups: only versions, locks or a second copy protect them"
        }
        (Behaviour::Delete, Denied) => "good for a host that only backs up; rotation of keys needs one that may delete",
        (Behaviour::Delete, _) => "nothing is ever removed here: wraps of old keys stay too",
        (Behaviour::DeleteFrees, Ok) => "what is deleted is gone, wraps of old keys too",
        (Behaviour::DeleteFrees, Ignored) => {
            "deleting hides: old versions stay and cost, wraps of old keys too, until deletes = \"versions\" or a lifecycle \
             rule takes them"
        }
        (Behaviour::DeleteFrees, Denied) => "this key may not know; ask the bucket's owner whether it keeps versions",
        (Behaviour::DeleteFrees, _) => "the server does not show old versions: it most likely keeps none",
        (Behaviour::DeleteVersion, Ok) => {
            "deletes = \"versions\" works; and whoever has this key can remove old versions of backups too"
        }
        (Behaviour::DeleteVersion, Denied) => "good: what this key deletes can be brought back from its old version",
        (Behaviour::DeleteVersion, _) => "old versions stay until a lifecycle rule takes them",
        (Behaviour::Versioning, Ok) => {
            "what is overwritten or deleted stays as an old version, wraps of old keys too: a lifecycle rule ends them"
        }
        (Behaviour::Versioning, Denied) => "this key may not know; ask the bucket's owner",
        (Behaviour::Versioning, _) => "what is overwritten or deleted is gone",
        (Behaviour::ObjectLock, Ok) => {
            "locked objects outlive any key; send a checksum: such buckets may refuse parts without one"
        }
        (Behaviour::ObjectLock, Denied) => "this key may not know; ask the bucket's owner",
        (Behaviour::ObjectLock, _) => "nothing keeps a key that may delete from deleting",
        (Behaviour::AbortRule, Ok) => "uploads that nobody could abort end by themselves",
        (Behaviour::AbortRule, Denied) => "this key may not know; ask the bucket's owner",
        (Behaviour::AbortRule, _) => {
            "uploads that nobody could abort stay: add AbortIncompleteMultipartUpload, and read it back"
        }
    }
}
