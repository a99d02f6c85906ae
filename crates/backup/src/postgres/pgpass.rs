//! The password file: `host:port:database:user:password`, one entry a line, read as libpq reads it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

/// What an entry of a password file is looked up by.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The host's name, or the directory of the socket, which `localhost` matches too.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub dbname: &'a str,
    /// The user.
    pub user: &'a str,
}

/// The password of the first entry that matches.
///
/// A file that is missing, is not a plain file, or is open to group or others is ignored, as libpq does; the last two
/// with a warning.
#[must_use]
pub fn look_up(file: &Path, wanted: Wanted<'_>) -> Option<SecretString> {
    let metadata = fs::metadata(file).ok()?;
    if let Some(why) = unfit(&metadata) {
        tracing::warn!(file = %file.display(), "ignored the password file: {why}");
        return None;
    }
    match fs::read_to_string(file) {
        Ok(text) => find(&Zeroizing::new(text), wanted),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "ignored the password file: it cannot be read");
            None
        }
    }
}

fn unfit(metadata: &Metadata) -> Option<&'static str> {
    if !metadata.is_file() {
        return Some("it is not a plain file");
    }
    (metadata.mode() & 0o077 != 0).then_some("group or others have access to it; it needs mode 0600 or less")
}

fn find(text: &str, wanted: Wanted<'_>) -> Option<SecretString> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| matching_password(line, wanted))
}

fn matching_password(line: &str, wanted: Wanted<'_>) -> Option<SecretString> {
    let [host, port, dbname, user, password] = fields(line)?;
    let host_matches = matches(host, wanted.host) || (wanted.host.starts_with('/') && matches(host, "localhost"));
    let entry_matches = host_matches
        && matches(port, &wanted.port.to_string())
        && matches(dbname, wanted.dbname)
        && matches(user, wanted.user);
    (entry_matches && !password.is_empty()).then(|| SecretString::from(unescape(password)))
}

/// The five fields, still escaped; the password is what is left, up to a further colon.
fn fields(line: &str) -> Option<[&str; 5]> {
    let mut fields = Vec::with_capacity(5);
    let (mut start, mut escaped) = (0, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b':' => {
                fields.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&line[start..]);
    fields.get(..5)?.try_into().ok()
}

fn matches(field: &str, wanted: &str) -> bool {
    field == "*" || unescape(field) == wanted
}

fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

/// A field with the characters escaped that separate fields.
pub(super) fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::{Wanted, escape, find, look_up};

    const SHOP: Wanted<'static> = Wanted { host: "db", port: 5432, dbname: "shop", user: "alice" };

    fn found(text: &str, wanted: Wanted<'_>) -> Option<String> {
        find(text, wanted).map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn the_first_matching_entry_wins() {
        let text = "# db:5432:shop:alice:comment\ndb:5433:*:*:other port\ndb:5432:*:alice:first\n*:*:*:*:second\n";
        assert_eq!(found(text, SHOP).as_deref(), Some("first"));
        assert_eq!(found(text, Wanted { user: "bob", ..SHOP }).as_deref(), Some("second"));
        assert_eq!(found("", SHOP), None);
        assert_eq!(found("db:5432:shop:alice\n", SHOP), None);
    }

    #[test]
    fn escaped_colons_and_backslashes_are_kept() {
        let text = format!("{}:*:*:al\\:ice:{}\r\n", escape("::1"), escape("p:a\\ss"));
        let wanted = Wanted { host: "::1", user: "al:ice", ..SHOP };
        assert_eq!(found(&text, wanted).as_deref(), Some("p:a\\ss"));
    }

    #[test]
    fn localhost_stands_for_a_socket() {
        let socket = Wanted { host: "/run/postgresql", ..SHOP };
        assert_eq!(found("localhost:*:*:*:p", socket).as_deref(), Some("p"));
        assert_eq!(found("/run/postgresql:*:*:*:p", socket).as_deref(), Some("p"));
        assert_eq!(found("db:*:*:*:p", socket), None);
    }

    #[test]
    fn a_file_open_to_others_is_ignored() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "*:*:*:*:p\n").unwrap();
        for (mode, readable) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(look_up(file.path(), SHOP).is_some(), readable, "{mode:o}");
        }
        assert!(look_up(std::path::Path::new("/nonexistent"), SHOP).is_none());
        assert!(look_up(std::path::Path::new("/dev/null"), SHOP).is_none());
    }
}
