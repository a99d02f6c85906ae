//! A connection as the variables in which libpq, and what follows it, looks for one: a program that forgets `DATABASE_URL` meets
//! the restored database, and not the server that happens to run on the machine.

use std::path::Path;

use lifeboat_backup::postgres::{ConnectionSettings, SslMode, SslRoot};

/// The variables that lead to a database. The password stands in `passwords`, never in a variable.
pub(super) fn variables(settings: &ConnectionSettings, passwords: &Path) -> Vec<(&'static str, String)> {
    let (host, path) = (&settings.hosts[0], |path: &Path| path.to_string_lossy().into_owned());
    let ssl = &settings.ssl;
    let root = ssl.root.as_ref().map(|root| match root {
        SslRoot::System => "system".to_owned(),
        SslRoot::File(file) => path(file),
    });
    let (certificate, key) = ssl.client.as_ref().map(|(certificate, key)| (path(certificate), path(key))).unzip();
    let needed = [
        ("PGHOST", host.endpoint.to_string()),
        ("PGPORT", host.port.to_string()),
        ("PGUSER", settings.user.clone()),
        ("PGDATABASE", settings.dbname.clone()),
        ("PGPASSFILE", path(passwords)),
    ];
    let unusual = [
        ("PGHOSTADDR", host.address.map(|address| address.to_string())),
        ("PGOPTIONS", (!settings.options.is_empty()).then(|| settings.options.clone())),
        ("PGSSLMODE", (ssl.mode != SslMode::default()).then(|| ssl.mode.as_str().to_owned())),
        ("PGSSLROOTCERT", root),
        ("PGSSLCERT", certificate),
        ("PGSSLKEY", key),
    ];
    needed.into_iter().chain(unusual.into_iter().filter_map(|(name, value)| Some((name, value?)))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lifeboat_backup::postgres::ConnectionSettings;

    use super::variables;

    #[test]
    fn the_variables_lead_to_where_the_settings_do_and_tell_no_password() {
        for text in [
            "postgresql://u:p%40ss%2F@db.example.org:6432/my%20shop?sslmode=verify-full&sslrootcert=system",
            "host=/run/drill port=5433 user='a b' dbname=drill_1",
            "host=::1 hostaddr=::1 user=u dbname=d options='-c work_mem=1GB'",
        ] {
            let settings = ConnectionSettings::parse(text, &|_| None).unwrap();
            let variables = variables(&settings, Path::new("/d/pgpass"));
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            let again = ConnectionSettings::parse("", &value).unwrap();
            assert_eq!((again.display(), &again.hosts), (settings.display(), &settings.hosts));
            assert_eq!((&again.ssl, &again.options), (&settings.ssl, &settings.options));
            assert!(!format!("{variables:?}").contains("p@ss"), "{variables:?}");
        }
    }
}
