//! A connection as the one text that most programs take: `DATABASE_URL`.

use lifeboat_backup::postgres::{ConnectionSettings, Endpoint, Host, SslMode, SslRoot};
use secrecy::{ExposeSecret as _, SecretString};

/// The URI of a database, with the password that its settings have for the first server.
#[must_use]
pub fn database_url(settings: &ConnectionSettings) -> SecretString {
    let host = &settings.hosts[0];
    let password = settings.password_for(host);
    let password = password.map_or_else(String::new, |password| format!(":{}", percent(password.expose_secret())));
    let (authority, mut parameters) = place(host);
    parameters.extend(tls(settings));
    if !settings.options.is_empty() {
        parameters.push(format!("options={}", percent(&settings.options)));
    }
    let query = if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
    let (user, database) = (percent(&settings.user), percent(&settings.dbname));
    SecretString::from(format!("postgresql://{user}{password}@{authority}/{database}{query}"))
}

/// What stands between `@` and the database, and what has to stand behind it.
fn place(host: &Host) -> (String, Vec<String>) {
    match &host.endpoint {
        Endpoint::Socket(folder) => {
            let folder = percent(&folder.to_string_lossy());
            (String::new(), vec![format!("host={folder}"), format!("port={}", host.port)])
        }
        Endpoint::Name(_) => {
            let address = host.address.map(|address| format!("hostaddr={address}"));
            (host.to_string(), address.into_iter().collect())
        }
    }
}

fn tls(settings: &ConnectionSettings) -> Vec<String> {
    let ssl = &settings.ssl;
    let mode = (ssl.mode != SslMode::default()).then(|| format!("sslmode={}", ssl.mode.as_str()));
    let root = ssl.root.as_ref().map(|root| match root {
        SslRoot::System => "sslrootcert=system".to_owned(),
        SslRoot::File(file) => format!("sslrootcert={}", percent(&file.to_string_lossy())),
    });
    let client = ssl.client.as_ref().map(|(certificate, key)| {
        let [certificate, key] = [certificate, key].map(|file| percent(&file.to_string_lossy()));
        format!("sslcert={certificate}&sslkey={key}")
    });
    mode.into_iter().chain(root).chain(client).collect()
}

fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use lifeboat_backup::postgres::ConnectionSettings;
    use secrecy::ExposeSecret as _;

    use super::database_url;

    #[test]
    fn the_url_leads_to_where_the_settings_do() {
        for text in [
            "postgresql://u:p%40ss%2F@db.example.org:6432/my%20shop?sslmode=verify-full&sslrootcert=system",
            "host=/run/drill port=5433 user='a b' dbname=drill_1",
            "host=::1 hostaddr=::1 user=u dbname=d options='-c work_mem=1GB'",
        ] {
            let settings = ConnectionSettings::parse(text, &|_| None).unwrap();
            let url = database_url(&settings);
            let again = ConnectionSettings::parse(url.expose_secret(), &|_| None).unwrap();
            assert_eq!(again.display(), settings.display());
            assert_eq!((&again.ssl, &again.options), (&settings.ssl, &settings.options));
            let password = |settings: &ConnectionSettings| {
                settings.password_for(&settings.hosts[0]).map(|password| password.expose_secret().to_owned())
            };
            assert_eq!(password(&again), password(&settings));
        }
    }
}
