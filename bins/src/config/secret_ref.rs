//! References to secrets: the configuration says where a secret is, and it is fetched as late as possible.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::process::Command;

use super::env_vars;
use super::environment::Environment;
use super::setting::{Misfit, Setting, quoted};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// `env:NAME`, an environment variable.
    Env(String),
    /// `file:/path`, a file that only its owner can read.
    File(PathBuf),
    /// `credential:NAME`, given by systemd.
    Credential(String),
    /// `command:["program", "argument"]`, whose standard output is the secret; no shell.
    Command(Vec<String>),
}

impl SecretRef {
    /// Whether `text` starts as a reference does, well-formed or not.
    pub(crate) fn is_reference(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Fetches the secret, without the newline at its end.
    ///
    /// # Errors
    /// [`Kind::Config`] when it is not there, is empty, or is readable by others.
    pub(crate) async fn resolve(&self, environment: &Environment) -> Result<SecretString> {
        let text = Zeroizing::new(match self {
            Self::Env(name) => self.variable(name, environment)?,
            Self::File(path) => self.read_private(path)?,
            Self::Credential(name) => self.read_credential(name, environment)?,
            Self::Command(argv) => self.output(argv).await?,
        });
        match text.strip_suffix('\n').unwrap_or(&text) {
            "" => Err(self.fail("is empty").hint("put the secret there, or name another place")),
            secret => Ok(SecretString::from(secret)),
        }
    }

    /// The variable that holds the secret, where it is one.
    pub(crate) fn variable_name(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it can be there at all: a credential of systemd exists within the unit only.
    pub(crate) fn is_at_hand(&self, environment: &Environment) -> bool {
        !matches!(self, Self::Credential(_)) || environment.var(env_vars::CREDENTIALS_DIRECTORY).is_some()
    }

    fn variable(&self, name: &str, environment: &Environment) -> Result<String> {
        environment.var(name).map(str::to_owned).ok_or_else(|| {
            let why = if environment.is_set_to_nothing(name) { "is set to nothing" } else { "is not set" };
            self.fail(why).hint(format!("set and export {name} where this runs, or give the secret by file:/path"))
        })
    }

    fn read_credential(&self, name: &str, environment: &Environment) -> Result<String> {
        let hint = format!("add LoadCredential={name}:/path to the unit, or use file:/path by hand");
        match environment.var(env_vars::CREDENTIALS_DIRECTORY) {
            Some(folder) => self.read(&Path::new(folder).join(name), hint),
            None => Err(self.fail("needs systemd").hint(hint)),
        }
    }

    fn read_private(&self, path: &Path) -> Result<String> {
        let needed = "the file must be there and belong to the account that runs this, mode 600";
        let metadata = path.metadata().kind_of(Kind::Config, || format!("read the secret {self}"));
        let mode = metadata.map_err(|error| error.hint(needed))?.permissions().mode();
        if mode & 0o077 != 0 {
            let readable = self.fail(&format!("is open to others (mode {:04o})", mode & 0o7777));
            return Err(readable.hint(format!("chmod 600 {}", path.display())));
        }
        self.read(path, needed)
    }

    fn read(&self, path: &Path, hint: impl Into<String>) -> Result<String> {
        let bytes = std::fs::read(path).kind_of(Kind::Config, || format!("read the secret {self}"));
        self.text(bytes.map_err(|error| error.hint(hint))?)
    }

    /// Keys are 32 bytes, and somebody keeps just these.
    fn text(&self, bytes: Vec<u8>) -> Result<String> {
        String::from_utf8(bytes).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            self.fail("is no text").hint(
                "a key that is kept as bytes is given in base64: command:[\"base64\", \"-w0\", \"/path\"], with the key format base64",
            )
        })
    }

    async fn output(&self, argv: &[String]) -> Result<String> {
        let run = Command::new(&argv[0])
            .args(&argv[1..])
            .env_remove(env_vars::NOTIFY_SOCKET)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        let by_hand = |error: Error| error.hint("run it by hand, as the account that runs this");
        let ended = tokio::time::timeout(COMMAND_TIMEOUT, run).await;
        let ended = ended.map_err(|_| by_hand(self.fail("did not end in time")))?;
        let output = ended.kind_of(Kind::Config, || format!("run the secret's {self}")).map_err(by_hand)?;
        if !output.status.success() {
            return Err(by_hand(self.fail(&format!("failed with {}", output.status))));
        }
        self.text(output.stdout)
    }

    fn fail(&self, why: &str) -> Error {
        Error::new(Kind::Config, format!("read the secret {self}: it {why}"))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Command(argv) => write!(f, "command:{}", argv.show()),
        }
    }
}

impl Setting for SecretRef {
    const EXPECTED: &'static str = "a reference to a secret";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "env" if is_word(rest) => Ok(Self::Env(rest.to_owned())),
            "file" if rest.starts_with('/') => Ok(Self::File(rest.into())),
            "credential" if is_word(rest) => Ok(Self::Credential(rest.to_owned())),
            "command" => argv(rest)
                .map(Self::Command)
                .ok_or_else(|| Misfit::new("the command is not a list of words").help(HELP)),
            "env" | "credential" => Err(Misfit::new(format!("{rest:?} is not a name")).help(HELP).secret()),
            "file" => Err(Misfit::new("the path is not absolute").help(HELP)),
            _ => Err(Misfit::new("a secret stands here instead of a reference to it").help(HELP).secret()),
        }
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name != ".." && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn argv(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok().filter(|argv: &Vec<String>| !argv.is_empty())
}

const SCHEMES: [&str; 4] = ["env:", "file:", "credential:", "command:"];
const HELP: &str = "write env:NAME, file:/path, credential:NAME or command:[\"program\", \"argument\"]";
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use lifeboat_core::Kind;
    use secrecy::ExposeSecret as _;

    use super::SecretRef;
    use crate::config::environment::Environment;
    use crate::config::setting::Setting as _;

    async fn resolved(text: &str, environment: &Environment) -> Result<String, lifeboat_core::Error> {
        let secret = SecretRef::from_text(text).expect(text).resolve(environment).await?;
        Ok(secret.expose_secret().to_owned())
    }

    #[test]
    fn what_is_no_reference_is_refused_and_never_repeated() {
        for text in
            ["hunter2", "env:", "env:a b", "file:relative", "command:rm -rf", "command:[]", "credential:../x", ""]
        {
            let misfit = SecretRef::from_text(text).expect_err(text);
            assert!(!format!("{misfit:?}").contains("hunter2"));
        }
    }

    #[test]
    fn references_print_as_they_are_written() {
        for text in ["env:A", "file:/a", "credential:a", r#"command:["pass", "show"]"#] {
            assert_eq!(SecretRef::from_text(text).unwrap().to_string(), text);
        }
    }

    #[tokio::test]
    async fn environment_and_credentials_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), "hunter2\n").unwrap();
        let environment = Environment::from([("A", "one"), ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())]);
        assert_eq!(resolved("env:A", &environment).await.unwrap(), "one");
        assert_eq!(resolved("credential:db", &environment).await.unwrap(), "hunter2");
        assert_eq!(resolved("env:B", &environment).await.unwrap_err().kind(), Kind::Config);
        assert!(resolved("credential:db", &Environment::default()).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "hunter2\n").unwrap();
        let reference = format!("file:{}", path.display());
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let refused = resolved(&reference, &Environment::default()).await.unwrap_err();
        assert!(refused.help().unwrap().starts_with("chmod 600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(resolved(&reference, &Environment::default()).await.unwrap(), "hunter2");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_named_and_a_way_to_give_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, [0xff; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let environment = Environment::from([("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())]);
        for reference in [format!("file:{}", path.display()), "credential:key".to_owned()] {
            let refused = resolved(&reference, &environment).await.unwrap_err();
            assert!(refused.help().unwrap().contains(r#"command:["base64", "-w0", "#), "{:?}", refused.help());
        }
        let given = format!("command:[\"base64\", \"-w0\", {:?}]", path.display().to_string());
        assert_eq!(resolved(&given, &environment).await.unwrap(), "/".repeat(42) + "8=");
        let output = format!("command:[\"cat\", {:?}]", path.display().to_string());
        assert!(resolved(&output, &environment).await.unwrap_err().help().unwrap().contains("base64"));
    }

    #[tokio::test]
    async fn a_commands_output_loses_one_newline_only() {
        let none = Environment::default();
        assert_eq!(resolved(r#"command:["printf", "a\n\n"]"#, &none).await.unwrap(), "a\n");
        assert!(resolved(r#"command:["false"]"#, &none).await.is_err());
        assert!(resolved(r#"command:["true"]"#, &none).await.is_err());
    }
}
