//! The forms that applications are known to write, as expressions.

/// Ways to write bytes as text. The first of two that open the same values is taken.
pub(super) const CODECS: [&str; 3] = ["base64", "base64url", "hex"];

/// What can be written in one piece: fields that follow each other.
pub(super) fn runs(salted: bool) -> Vec<String> {
    let mut runs = Vec::new();
    for iv in IVS {
        for run in RUNS {
            let run = run.replace("iv", iv);
            if salted {
                runs.extend(SALTS.iter().map(|bytes| format!("salt/{bytes} {run}")));
            } else {
                runs.push(run);
            }
        }
    }
    runs
}

/// Pieces that stand between separators, in one codec.
pub(super) fn joined(parts: usize, separator: &str, codec: &str, salted: bool) -> Vec<String> {
    let orders: &[&[&str]] = match parts - usize::from(salted) {
        2 => &PAIRS,
        3 => &TRIPLES,
        _ => return Vec::new(),
    };
    let salts: &[Option<&str>] = if salted { &JOINED_SALTS } else { &[None] };
    let mut forms = Vec::new();
    for iv in IVS {
        for order in orders {
            for salt in salts {
                let salt = salt.iter().map(|salt| salt.replace("codec", codec));
                let fields = order.iter().map(|part| format!("{codec}({})", part.replace("iv", iv)));
                forms.push(salt.chain(fields).collect::<Vec<_>>().join(&format!(" {separator} ")));
            }
        }
    }
    forms
}

/// IVs as they are written in a layout.
pub(super) const IVS: [&str; 2] = ["iv", "iv/16"];
/// What a ciphertext looks like whose IV lies elsewhere.
pub(super) const WITHOUT_IV: [&str; 2] = ["ct tag", "tag ct"];
const RUNS: [&str; 6] = ["iv tag ct", "iv ct tag", "tag iv ct", "ct tag iv", "ct iv tag", "tag ct iv"];
const PAIRS: [&[&str]; 6] =
    [&["iv", "ct tag"], &["iv", "tag ct"], &["ct tag", "iv"], &["tag ct", "iv"], &["iv tag", "ct"], &["ct", "iv tag"]];
const TRIPLES: [&[&str]; 6] = [
    &["iv", "tag", "ct"],
    &["iv", "ct", "tag"],
    &["ct", "iv", "tag"],
    &["ct", "tag", "iv"],
    &["tag", "iv", "ct"],
    &["tag", "ct", "iv"],
];
const SALTS: [usize; 4] = [16, 32, 64, 8];
/// A salt is bytes, or the text itself is what the derivation takes.
const JOINED_SALTS: [Option<&str>; 6] = [
    Some("codec(salt/16)"),
    Some("codec(salt/32)"),
    Some("codec(salt/64)"),
    Some("codec(salt/8)"),
    Some("salt/32"),
    Some("salt"),
];
