//! The environment, read once at the start, so that everything behind it can be tested without touching the process.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use super::env_vars;

/// Names and values of environment variables. An empty value counts as unset.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process; variables that are not UTF-8 are left out.
    pub(crate) fn of_process() -> Self {
        Self(
            env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, to nothing.
    pub(crate) fn is_set_to_nothing(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(String::is_empty)
    }

    /// A variable as libpq's rules want it: the account's name stands in for a missing `USER`, as under cron.
    pub(crate) fn for_libpq(&self, name: &str) -> Option<String> {
        let account = || (name == "USER").then(account_name).flatten();
        self.var(name).map(str::to_owned).or_else(account)
    }

    /// What a program that runs Postgres's tools elsewhere needs, such as `docker exec`; no secret is among it.
    pub(crate) fn for_tools_prefix(&self) -> Vec<(OsString, OsString)> {
        let needed = |name: &str| {
            TOOLS_PREFIX_NEEDS.iter().any(|needed| match needed.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *needed,
            })
        };
        let passed = self.0.iter().filter(|(name, _)| needed(name)).map(|(name, value)| (name.into(), value.into()));
        passed.chain([("LC_MESSAGES".into(), "C".into())]).collect()
    }

    /// What a program of the operator's sees: everything but our own settings, those of libpq and of the store, and
    /// `secrets`, variables in which ours are.
    pub(crate) fn for_operators_program(&self, secrets: &[String]) -> Vec<(String, String)> {
        let ours = |name: &str| OURS.iter().any(|prefix| name.starts_with(prefix));
        let passed = self.0.iter().filter(|(name, _)| !ours(name) && !secrets.contains(name));
        passed.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Every set variable whose name starts with `prefix`.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let set =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(_, value)| !value.is_empty());
        set.filter(move |(name, _)| name.starts_with(prefix))
    }
}

const OURS: [&str; 9] = [
    "LIFEBOAT_",
    env_vars::AWS_PREFIX,
    env_vars::GOOGLE_PREFIX,
    env_vars::AZURE_PREFIX,
    "B2_APPLICATION_KEY",
    "PG",
    env_vars::CREDENTIALS_DIRECTORY,
    env_vars::NOTIFY_SOCKET,
    "DATABASE_URL",
];

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(vars: [(&str, &str); N]) -> Self {
        Self(vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

fn account_name() -> Option<String> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    name_of(rustix::process::geteuid().as_raw(), &accounts).map(str::to_owned)
}

fn name_of(uid: u32, accounts: &str) -> Option<&str> {
    let uid = uid.to_string();
    let line = accounts.lines().find(|line| line.split(':').nth(2) == Some(&uid))?;
    line.split(':').next()
}

const TOOLS_PREFIX_NEEDS: [&str; 7] = ["PATH", "HOME", "USER", "XDG_*", "DOCKER_*", "KUBECONFIG", "SSH_AUTH_SOCK"];

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn a_tools_prefix_gets_what_docker_needs_and_no_secret() {
        let environment = Environment::from([
            ("DOCKER_HOST", "x"),
            ("PATH", "/bin"),
            ("DATABASE_URL", "hunter2"),
            ("PGPASSWORD", "x"),
        ]);
        let names: Vec<_> = environment.for_tools_prefix().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["DOCKER_HOST", "PATH", "LC_MESSAGES"]);
    }

    #[test]
    fn a_program_of_the_operators_sees_neither_our_settings_nor_our_secrets() {
        let environment = Environment::from([
            ("APP_KEY", "x"),
            ("B2_KEY", "hunter2"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "hunter2"),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", "hunter2"),
            ("B2_APPLICATION_KEY", "hunter2"),
            ("PGPASSWORD", "hunter2"),
            ("DATABASE_URL", "hunter2"),
            ("LIFEBOAT_KEYRING", "env:RING"),
        ]);
        let seen = environment.for_operators_program(&["B2_KEY".to_owned()]);
        assert_eq!(seen, [("APP_KEY".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn the_account_stands_in_for_a_missing_user() {
        assert_eq!(super::name_of(26, "root:x:0:0::/:/x\npg:x:26:26::/:/x\n"), Some("pg"));
        assert_eq!(Environment::from([("USER", "app")]).for_libpq("USER").as_deref(), Some("app"));
        assert_eq!(Environment::default().for_libpq("PGHOST"), None);
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        assert_eq!(Environment::from([("LIFEBOAT_STORE", "")]).var("LIFEBOAT_STORE"), None);
    }
}
