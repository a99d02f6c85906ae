//! `lifeboat key`.

use jiff::Timestamp;
use lifeboat_core::keys::{KeyEntry, KeyId, KeyKind, KeyState, Keyring, SignerKey};
use lifeboat_core::{Error, Kind, Result};
use serde_json::{Value, json};

use super::Context;
use crate::cli::{GenerateArgs, KeyArgs, KeyCommand, SignerArgs, StateArgs};
use crate::output::Outcome;
use crate::output::table::{Align, render};

/// Makes a key, changes one, or shows public sides of those there are.
///
/// # Errors
/// [`Kind::Config`] when there is no keyring, or it cannot be read or written; [`Kind::Usage`] for what a key cannot become or
/// does not have; [`Kind::WrongKey`] when there is no such key.
pub(super) async fn run(command: &KeyCommand, context: &Context) -> Result<Outcome> {
    match command {
        KeyCommand::Generate(args) => generate(args),
        KeyCommand::List => Ok(list(&keyring(context).await?)),
        KeyCommand::Fingerprint(args) => fingerprint(args, &keyring(context).await?, context),
        KeyCommand::Recipient(args) => public(args, &keyring(context).await?, KeyKind::X25519),
        KeyCommand::Signer(args) => signer(args, &keyring(context).await?),
        KeyCommand::State(args) => state(args, context),
    }
}

async fn keyring(context: &Context) -> Result<Keyring> {
    let config = context.config(context.global.flags())?;
    config.encryption.keyring(&context.environment).await?.ok_or_else(no_keyring)
}

/// The error of a command that needs one.
pub(super) fn no_keyring() -> Error {
    Error::new(Kind::Config, "find out which keyring to use: none is configured").hint(
        "give --keyring file:keyring.toml, set LIFEBOAT_KEYRING, or write keyring = \"file:/…\" into [encryption]",
    )
}

fn generate(args: &GenerateArgs) -> Result<Outcome> {
    let kind: KeyKind = args.kind.parse().map_err(|error| misused(&error))?;
    let id = KeyId::symmetric(&args.id).map_err(|error| misused(&error))?;
    let is_new = !args.out.exists();
    let (text, json) = Keyring::edit(&args.out, |keyring| {
        let former = keyring.primary(kind).map(|key| key.id().clone());
        keyring.add(&id, kind, args.primary, Timestamp::now())?;
        let key = keyring.key(id.as_str())?;
        let succeeded = former.filter(|_| key.state() == KeyState::Primary);
        Ok((added(key, is_new, succeeded.as_ref(), &args.out.display().to_string()), described(key)))
    })?;
    Ok(Outcome::success(text, json!({"keyring": args.out, "key": json})))
}

/// What is wrong stands on the command line.
fn misused(error: &Error) -> Error {
    let hint = error.help().map(str::to_owned);
    let misused = Error::new(Kind::Usage, error.to_string());
    hint.into_iter().fold(misused, Error::hint)
}

/// What was done, to the file and to the key that was primary so far.
fn added(key: &KeyEntry, is_new: bool, succeeded: Option<&KeyId>, file: &str) -> String {
    let (id, kind, state) = (key.id(), key.kind(), key.state());
    let mut text = format!("made the {kind} key {id}: {state}, fingerprint {}\n", key.fingerprint());
    text += &match is_new {
        true => format!("made {file} and put the key into it\n"),
        false => format!("added the key to {file}\n"),
    };
    if let Some(former) = succeeded {
        text += &format!("the {kind} key {former} was primary so far; it is enabled now, and opens what it opened\n");
    }
    if let Some(recipient) = key.recipient() {
        text += &format!("for recipients in [encryption]: {recipient}\n");
    }
    if let Some(signer) = key.signer_key() {
        text += &format!("for trusted_signers in [encryption]: {signer}\n");
    }
    if is_new {
        text += &format!("Keep a copy of {file} in another place: without it, what it opens is lost.\n");
    }
    text
}

fn list(keyring: &Keyring) -> Outcome {
    let head = ["ID", "KIND", "STATE", "PRIMARY SINCE", "UNTIL", "FINGERPRINT"].map(|title| (title, Align::Left));
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let row = |key: &KeyEntry| {
        let (since, until) = (time(key.primary_since()), time(key.primary_until()));
        vec![key.id().to_string(), key.kind().to_string(), key.state().to_string(), since, until, key.fingerprint()]
    };
    let text = match keyring.keys() {
        [] => "the keyring holds no keys\n".to_owned(),
        keys => render(&head, &keys.iter().map(row).collect::<Vec<_>>()),
    };
    Outcome::success(text, json!({"keys": keyring.keys().iter().map(described).collect::<Vec<_>>()}))
}

fn fingerprint(args: &KeyArgs, keyring: &Keyring, context: &Context) -> Result<Outcome> {
    let keys = chosen(args, keyring, |_| true)?;
    for key in keys.iter().filter(|key| key.guessable()) {
        context.job().warn(&format!(
            "the key {} is the digest of a text: whoever has its fingerprint can test guesses; keep it to yourself",
            key.id()
        ));
    }
    let text = match (&args.id, keys.as_slice()) {
        (Some(_), [only]) => format!("{}\n", only.fingerprint()),
        _ => keys.iter().map(|key| format!("{}  {}\n", key.fingerprint(), key.id())).collect(),
    };
    Ok(Outcome::success(text, json!({"keys": keys.into_iter().map(described).collect::<Vec<_>>()})))
}

fn public(args: &KeyArgs, keyring: &Keyring, kind: KeyKind) -> Result<Outcome> {
    let keys = chosen(args, keyring, |key| key.kind() == kind)?;
    if keys.is_empty() {
        return Err(Error::new(Kind::WrongKey, format!("find an {kind} key in the keyring"))
            .hint(format!("`lifeboat key generate --kind {kind}` makes one")));
    }
    let text = keys.iter().filter_map(|key| public_text(key)).map(|public| public + "\n").collect::<String>();
    Ok(Outcome::success(text, json!({"keys": keys.into_iter().map(described).collect::<Vec<_>>()})))
}

fn signer(args: &SignerArgs, keyring: &Keyring) -> Result<Outcome> {
    let outcome = public(&args.key, keyring, KeyKind::Ed25519)?;
    if !args.pem {
        return Ok(outcome);
    }
    let keys = chosen(&args.key, keyring, |key| key.kind() == KeyKind::Ed25519)?;
    let pem: Vec<String> = keys.iter().filter_map(|key| key.signer_key()).map(SignerKey::to_pem).collect();
    Ok(Outcome::success(pem.concat(), json!({ "pem": pem })))
}

/// The key that the argument names, which must fit; or all that do.
fn chosen<'k>(args: &KeyArgs, keyring: &'k Keyring, fits: impl Fn(&KeyEntry) -> bool) -> Result<Vec<&'k KeyEntry>> {
    let Some(id) = &args.id else { return Ok(keyring.keys().iter().filter(|key| fits(key)).collect()) };
    let key = keyring.key(id)?;
    if fits(key) {
        return Ok(vec![key]);
    }
    Err(Error::new(Kind::Usage, format!("use the key {id} for this: it is an {} key", key.kind())))
}

fn state(args: &StateArgs, context: &Context) -> Result<Outcome> {
    let state = args.state.parse().map_err(|error| misused(&error))?;
    let config = context.config(context.global.flags())?;
    let reference = config.encryption.keyring.ok_or_else(no_keyring)?.value;
    let path = reference.path().ok_or_else(|| {
        Error::new(Kind::Usage, format!("edit the keyring {reference}: it is not a file")).hint("give --keyring file:…")
    })?;
    let (text, json) = Keyring::edit(path, |keyring| {
        keyring.set_state(&args.id.parse()?, state, Timestamp::now())?;
        let key = keyring.key(&args.id)?;
        Ok((format!("the {} key {} is {} now\n", key.kind(), key.id(), key.state()), described(key)))
    })?;
    Ok(Outcome::success(text, json!({"keyring": path, "key": json})))
}

fn public_text(key: &KeyEntry) -> Option<String> {
    let recipient = key.recipient().map(ToString::to_string);
    recipient.or_else(|| key.signer_key().map(ToString::to_string))
}

/// What programs are told about a key.
fn described(key: &KeyEntry) -> Value {
    json!({
        "id": key.id(), "kind": key.kind(), "state": key.state(), "primary_since": key.primary_since(),
        "primary_until": key.primary_until(), "fingerprint": key.fingerprint(), "guessable": key.guessable(),
        "public_id": key.public_id(), "public": public_text(key),
    })
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;
    use lifeboat_core::keys::{KeyKind, Keyring};

    use super::{chosen, generate, list, public};
    use crate::cli::{GenerateArgs, KeyArgs};

    #[test]
    fn keys_are_made_and_only_their_public_sides_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("keyring.toml");
        let mut shown = String::new();
        for (id, kind) in [("2026-11", "aes256"), ("recovery", "x25519"), ("host", "ed25519")] {
            let args = GenerateArgs { id: id.to_owned(), out: out.clone(), kind: kind.to_owned(), primary: false };
            let made = generate(&args).unwrap();
            assert_eq!(made.text.contains("Keep a copy"), kind == "aes256", "{}", made.text);
            assert_eq!(made.text.contains("added the key to"), kind != "aes256", "{}", made.text);
            shown += &format!("{}{}", made.text, made.json);
        }
        let keyring = Keyring::load(&out).unwrap();
        let (all, listed) = (KeyArgs { id: None }, list(&keyring));
        let recipient = public(&all, &keyring, KeyKind::X25519).unwrap();
        let signer = public(&all, &keyring, KeyKind::Ed25519).unwrap();
        assert!(recipient.text.starts_with("x25519:") && signer.text.starts_with("ed25519:"));
        assert_eq!(listed.text.lines().count(), 4);
        for outcome in [listed, recipient, signer] {
            shown += &format!("{}{}", outcome.text, outcome.json);
        }
        let text = std::fs::read_to_string(&out).unwrap();
        let secrets: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("secret = ")).collect();
        assert_eq!(secrets.len(), 3);
        assert!(secrets.iter().all(|secret| !shown.contains(&secret.trim_matches('"')[..16])), "{shown}");
    }

    #[test]
    fn a_successor_says_whom_it_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("keyring.toml");
        let generate = |id: &str, primary: bool| {
            let args = GenerateArgs { id: id.to_owned(), out: out.clone(), kind: "aes256".to_owned(), primary };
            generate(&args).unwrap().text
        };
        assert!(generate("a", false).contains("keyring.toml and put the key into it"));
        assert!(!generate("b", false).contains("so far"));
        assert!(generate("c", true).contains("the aes256 key a was primary so far; it is enabled now"));
    }

    #[test]
    fn a_wrong_argument_is_a_wrong_argument() {
        let out = std::path::PathBuf::from("/nowhere/keyring.toml");
        for (id, kind) in [("2026/11", "aes256"), ("0123456789abcdef", "aes256"), ("a", "rsa")] {
            let args = GenerateArgs { id: id.to_owned(), out: out.clone(), kind: kind.to_owned(), primary: false };
            assert_eq!(generate(&args).err().unwrap().kind(), Kind::Usage, "{id} {kind}");
        }
        let named = KeyArgs { id: Some("a".to_owned()) };
        assert_eq!(chosen(&named, &Keyring::empty(), |_| true).unwrap_err().kind(), Kind::WrongKey);
        let none = public(&KeyArgs { id: None }, &Keyring::empty(), KeyKind::X25519).err().unwrap();
        assert!(none.help().unwrap().contains("--kind x25519"));
    }
}
