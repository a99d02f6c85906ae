//! Changes to a keyring, made in its text.

use std::ops::Range;

use jiff::{Timestamp, Unit};
use toml::de::DeTable;
use zeroize::Zeroizing;

use super::Keyring;
use super::entry::{KeyEntry, KeyKind, KeyState};
use super::read::{Places, Table, X25519_PRIMARY, tables};
use crate::error::{Error, Kind, Result};
use crate::keys::{KeyId, Secret};

impl Keyring {
    /// Adds a random key. The first `aes256` or `ed25519` key becomes primary; a later one when `primary` says so, and
    /// then its predecessor becomes enabled.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the id is taken, or an `x25519` key is to be primary; [`Kind::Config`] when the id cannot be used;
    /// [`Kind::Failure`] when the operating system gives no random numbers.
    pub fn add(&mut self, id: &KeyId, kind: KeyKind, primary: bool, now: Timestamp) -> Result<()> {
        let id = KeyId::symmetric(id.as_str())?;
        if self.named(&id).is_some() {
            return Err(Error::new(Kind::Usage, format!("add the key {id}: the keyring holds one of that id"))
                .hint("choose another id; keys are never replaced, for backups need the old ones"));
        }
        let primary = match kind {
            KeyKind::X25519 if primary => {
                return Err(Error::new(Kind::Usage, format!("add the key {id}: {X25519_PRIMARY}")));
            }
            KeyKind::X25519 => false,
            _ => primary || self.keys.iter().all(|key| key.kind() != kind),
        };
        let mut edits = Vec::new();
        if let Some(former) = self.primary(kind).filter(|_| primary) {
            edits.extend(self.leave_office(former, KeyState::Enabled, now)?);
        }
        let state = if primary { KeyState::Primary } else { KeyState::Enabled };
        edits.push(Edit { at: self.text.len()..self.text.len(), text: new_key(&id, kind, state, now, &self.text)? });
        self.apply(edits)?;
        self.expect(&id, state)
    }

    /// Changes a key's state. What becomes primary succeeds the one that was.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the key is the primary one and another has to be made primary first, or when an `x25519` key
    /// is to be primary; [`Kind::WrongKey`] when there is no such key; [`Kind::Config`] when the text has a form that cannot be
    /// edited line by line.
    pub fn set_state(&mut self, id: &KeyId, state: KeyState, now: Timestamp) -> Result<()> {
        let key = self.key(id.as_str())?;
        let id = key.id().clone();
        let refuse = |why: &str| Error::new(Kind::Usage, format!("make the key {id} {state}: {why}"));
        let edits = match (key.state(), state) {
            (was, is) if was == is => return Ok(()),
            (_, KeyState::Primary) if key.kind() == KeyKind::X25519 => return Err(refuse(X25519_PRIMARY)),
            (_, KeyState::Primary) => self.succeed(key, now)?,
            (KeyState::Primary, _) => {
                let successor = format!(
                    "`lifeboat key generate --kind {} --primary` or `lifeboat key state ID primary`",
                    key.kind()
                );
                return Err(refuse("it is the primary one").hint(format!("make another primary first: {successor}")));
            }
            (_, state) => vec![self.set(key, "state", &state.to_string())?],
        };
        self.apply(edits)?;
        self.expect(&id, state)
    }

    fn succeed(&self, key: &KeyEntry, now: Timestamp) -> Result<Vec<Edit>> {
        let mut edits = match self.primary(key.kind()) {
            Some(former) => self.leave_office(former, KeyState::Enabled, now)?,
            None => Vec::new(),
        };
        edits.push(self.set(key, "state", &KeyState::Primary.to_string())?);
        edits.push(self.set(key, "primary_since", &second(now))?);
        edits.extend(self.remove(key, "primary_until")?);
        Ok(edits)
    }

    fn leave_office(&self, former: &KeyEntry, state: KeyState, now: Timestamp) -> Result<Vec<Edit>> {
        Ok(vec![self.set(former, "state", &state.to_string())?, self.set(former, "primary_until", &second(now))?])
    }

    /// Replaces a value, or adds a line below those that it belongs to.
    fn set(&self, key: &KeyEntry, name: &str, value: &str) -> Result<Edit> {
        self.in_table(key, |table| {
            if let Some(present) = table.value(name) {
                return Edit { at: present.span(), text: Zeroizing::new(format!("\"{value}\"")) };
            }
            let above = ["primary_since", "state", "id"].into_iter().find_map(|name| table.value(name));
            let above = above.map_or(table.span.end, |value| value.span().end);
            let line_end = self.text[above..].find('\n').map_or(self.text.len(), |newline| above + newline);
            Edit { at: line_end..line_end, text: Zeroizing::new(format!("\n{name} = \"{value}\"")) }
        })
    }

    /// Removes a line, where it is there.
    fn remove(&self, key: &KeyEntry, name: &str) -> Result<Option<Edit>> {
        self.in_table(key, |table| {
            let value = table.value(name)?.span();
            let start = self.text[..value.start].rfind('\n').map_or(0, |newline| newline + 1);
            let end = self.text[value.end..].find('\n').map_or(self.text.len(), |newline| value.end + newline + 1);
            Some(Edit { at: start..end, text: Zeroizing::new(String::new()) })
        })
    }

    fn in_table<T>(&self, key: &KeyEntry, edit: impl FnOnce(&Table<'_, '_>) -> T) -> Result<T> {
        let (root, _) = DeTable::parse_recoverable(&self.text);
        let tables = tables(root.get_ref(), Places { text: &self.text, origin: "" })?;
        let table = self.keys.iter().zip(&tables).find(|(found, _)| found.id() == key.id());
        Ok(edit(table.expect("each key was read from a table").1))
    }

    /// Makes the edited text this keyring's, if it still says what it should.
    fn apply(&mut self, mut edits: Vec<Edit>) -> Result<()> {
        // Stable: what is inserted at one place keeps its order.
        edits.sort_by_key(|edit| edit.at.start);
        let length = self.text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>();
        // Of the final size from the start: growing would leave copies of secrets behind.
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut done = 0;
        for edit in &edits {
            text.push_str(self.text.get(done..edit.at.start).ok_or_else(uneditable)?);
            text.push_str(&edit.text);
            done = edit.at.end;
        }
        text.push_str(&self.text[done..]);
        let edited = Self::of_text(text, "that would be written").map_err(|error| uneditable().caused_by(error))?;
        let kept = |key: &KeyEntry| edited.named(key.id()).is_some_and(|now| now.fingerprint() == key.fingerprint());
        if !self.keys.iter().all(kept) {
            return Err(uneditable());
        }
        *self = edited;
        Ok(())
    }

    fn expect(&self, id: &KeyId, state: KeyState) -> Result<()> {
        if self.named(id).is_some_and(|key| key.state() == state) { Ok(()) } else { Err(uneditable()) }
    }
}

/// Text that takes the place of other text.
struct Edit {
    at: Range<usize>,
    text: Zeroizing<String>,
}

fn new_key(id: &KeyId, kind: KeyKind, state: KeyState, now: Timestamp, before: &str) -> Result<Zeroizing<String>> {
    let secret = Secret::generate()?;
    let mut digits = Zeroizing::new([0; 2 * Secret::BYTES]);
    hex::encode_to_slice(secret.expose(), &mut *digits).expect("two digits for each byte");
    let digits = std::str::from_utf8(&*digits).expect("digits are ASCII");
    let since = match state {
        KeyState::Primary => format!("primary_since = \"{}\"\n", second(now)),
        _ => String::new(),
    };
    let newline = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut text = Zeroizing::new(String::with_capacity(NEW_KEY_BYTES));
    for piece in [
        newline,
        "\n[[key]]\nid = \"",
        id.as_str(),
        "\"\nkind = \"",
        &kind.to_string(),
        "\"\nencoding = \"hex\"\nsecret = \"",
        digits,
        "\"\nstate = \"",
        &state.to_string(),
        "\"\n",
        &since,
    ] {
        text.push_str(piece);
    }
    Ok(text)
}

fn second(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}

fn uneditable() -> Error {
    Error::new(Kind::Config, "edit the keyring: its tables are written in a way that cannot be edited line by line")
        .hint("write each key as a [[key]] with one line for each value, or edit the file by hand")
}

/// Enough for every new key: an id has at most 100 bytes.
const NEW_KEY_BYTES: usize = 512;
