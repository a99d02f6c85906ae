//! Connection service files: `[name]` and the parameters under it, found and read as libpq does (PostgreSQL manual, section
//! "The Connection Service File").

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lifeboat_core::{Error, Kind, Result};
use zeroize::Zeroizing;

use super::environment::Environment;

/// The parameters of the service `name`: of the user's file, else of the system's.
///
/// # Errors
/// [`Kind::Config`] when no file defines it, or one cannot be read. No error holds a value.
pub(super) fn look_up(
    name: &str,
    named_file: Option<String>,
    environment: &Environment<'_>,
) -> Result<Vec<(String, String)>> {
    let files = files(named_file, environment);
    for file in &files {
        let Some(text) = read(file)? else { continue };
        if let Some(found) = section(&text, name).map_err(|error| error.while_doing(in_file(file)))? {
            return Ok(found);
        }
    }
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Error::new(Kind::Config, format!("find the connection service {name:?}"))
        .hint(format!("define it as [{name}] in one of {}; PGSERVICEFILE names another file", files.join(", "))))
}

fn files(named: Option<String>, environment: &Environment<'_>) -> Vec<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let users = named.map(PathBuf::from).or_else(|| set("PGSERVICEFILE"));
    let users = users.or_else(|| set("HOME").map(|home| home.join(".pg_service.conf")));
    let systems = match set("PGSYSCONFDIR") {
        Some(folder) => vec![folder],
        None => SYSTEM_FOLDERS.map(PathBuf::from).to_vec(),
    };
    users.into_iter().chain(systems.into_iter().map(|folder| folder.join("pg_service.conf"))).collect()
}

fn read(file: &Path) -> Result<Option<Zeroizing<String>>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(Kind::Config, in_file(file)).caused_by(error)),
    }
}

fn in_file(file: &Path) -> String {
    format!("read the connection service file {}", file.display())
}

/// The parameters under `[name]`, if the file has it.
fn section(text: &str, name: &str) -> Result<Option<Vec<(String, String)>>> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (title == name).then(Vec::new);
            continue;
        }
        let Some(found) = &mut found else { continue };
        let pair = line.split_once('=').filter(|(key, _)| !["service", "servicefile"].contains(key));
        let Some((key, value)) = pair else {
            return Err(Error::new(Kind::Config, format!("understand line {}", number + 1))
                .hint("write key=value, without blanks around =; one service cannot name another"));
        };
        // The first one counts.
        if !found.iter().any(|(known, _)| known == key) {
            found.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

/// Where distributions and Postgres itself keep it; without `PGSYSCONFDIR`, libpq knows one of them.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret as _;
    use tempfile::TempDir;

    use crate::postgres::ConnectionSettings;

    const USERS: &str = "# mine\n[other]\nhost=nowhere\n[shop]\nhost=db\n port=6000 \ndbname=shop\npassword=s3 cr#t\n\
        host=second\n[after]\nnonsense\n";

    fn with(folder: &TempDir, text: &str, more: &[(&str, &str)]) -> Result<ConnectionSettings, String> {
        let look_up = |name: &str| match name {
            "HOME" | "PGSYSCONFDIR" => Some(folder.path().display().to_string()),
            _ => more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        };
        ConnectionSettings::parse(text, &look_up).map_err(|error| format!("{error:?} {:?}", error.help()))
    }

    #[test]
    fn a_service_fills_what_the_text_leaves_out_and_the_environment_fills_the_rest() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(".pg_service.conf"), USERS).unwrap();
        let environment = [("PGUSER", "envuser"), ("PGPORT", "7000"), ("PGDATABASE", "envdb")];
        for text in ["service=shop host=mine", "postgresql://mine?service=shop"] {
            let settings = with(&folder, text, &environment).unwrap();
            assert_eq!(settings.display(), "envuser@mine:6000/shop");
            assert_eq!(settings.password_for(&settings.hosts[0]).unwrap().expose_secret(), "s3 cr#t");
        }
        let from_environment = with(&folder, "", &[("PGSERVICE", "shop"), ("USER", "me")]).unwrap();
        assert_eq!(from_environment.display(), "me@db:6000/shop");
    }

    #[test]
    fn the_systems_file_serves_what_the_users_does_not_define() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(".pg_service.conf"), USERS).unwrap();
        fs::write(folder.path().join("pg_service.conf"), "[shop]\nhost=system\n[ledger]\nhost=system\n").unwrap();
        let host = |name: &str| with(&folder, &format!("service={name} user=me"), &[]).unwrap().display();
        assert_eq!((host("shop"), host("ledger")), ("me@db:6000/shop".to_owned(), "me@system:5432/me".to_owned()));
    }

    #[test]
    fn a_service_that_nobody_defines_or_that_makes_no_sense_is_refused() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(".pg_service.conf"), USERS).unwrap();
        let missing = with(&folder, "service=leger user=me", &[]).unwrap_err();
        assert!(missing.contains("leger") && missing.contains(".pg_service.conf"), "{missing}");
        let nonsense = with(&folder, "service=after user=me", &[]).unwrap_err();
        assert!(nonsense.contains("understand line 11"), "{nonsense}");
        let unknown = with(&folder, "service=shop user=me", &[("PGSERVICEFILE", "/nowhere")]).unwrap_err();
        assert!(unknown.contains("/nowhere") && !unknown.contains("s3 cr"), "{unknown}");
    }
}
