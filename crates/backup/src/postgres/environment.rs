//! The environment variables that libpq knows, read through a function that the caller passes in.

/// Looks a variable up by name. Libraries take no setting from the environment of their process; a binary passes
/// `&|name| std::env::var(name).ok()`, a test its own map.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Each variable beside the connection parameter that it fills when the connection text is silent.
pub(super) const VARIABLES: [(&str, &str); 20] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGDATABASE", "dbname"),
    ("PGOPTIONS", "options"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGAPPNAME", "application_name"),
    ("USER", "user"),
    ("LOGNAME", "user"),
];
