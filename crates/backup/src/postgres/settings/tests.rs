use std::time::Duration;

use secrecy::ExposeSecret;

use super::{ConnectionSettings, Endpoint, TargetSession};
use crate::postgres::ssl::{SslMode, SslRoot};

const NOTHING: fn(&str) -> Option<String> = |name| (name == "USER").then(|| "me".to_owned());

fn parse(text: &str) -> ConnectionSettings {
    ConnectionSettings::parse(text, &NOTHING).unwrap()
}

fn refused(text: &str) -> String {
    format!("{:?}", ConnectionSettings::parse(text, &NOTHING).unwrap_err())
}

#[test]
fn a_uri_and_its_key_value_form_mean_the_same() {
    let uri = parse("postgresql://alice:s3@db:5433/shop?sslmode=require&connect_timeout=7&keepalives_idle=5");
    let pairs = parse(
        "host=db port=5433 user=alice password=s3 dbname=shop sslmode=require connect_timeout=7 keepalives_idle=5",
    );
    assert_eq!(format!("{uri:?}"), format!("{pairs:?}"));
    assert_eq!(uri.display(), "alice@db:5433/shop");
    assert_eq!(uri.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(uri.keepalives.idle, Duration::from_secs(5));
    assert_eq!(uri.password_for(&uri.hosts[0]).unwrap().expose_secret(), "s3");
}

#[test]
fn no_form_of_the_settings_shows_the_password() {
    let settings = parse("postgresql://alice:S3cret@db/shop");
    assert!(!format!("{settings:?} {settings:#?} {}", settings.display()).contains("S3cret"));
}

#[test]
fn the_environment_fills_what_the_text_leaves_out() {
    let environment = |name: &str| {
        let value = match name {
            "PGHOST" => "envhost",
            "PGPORT" => "6000",
            "PGUSER" => "envuser",
            "USER" => "osuser",
            "PGPASSWORD" => "envpass",
            "PGSSLMODE" => "disable",
            "PGOPTIONS" => "-c a=b",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let settings = ConnectionSettings::parse("postgresql://db/shop", &environment).unwrap();
    assert_eq!(settings.display(), "envuser@db:6000/shop");
    assert_eq!(settings.password_for(&settings.hosts[0]).unwrap().expose_secret(), "envpass");
    assert_eq!((settings.ssl.mode, settings.options.as_str()), (SslMode::Disable, "-c a=b"));
}

#[test]
fn the_defaults_are_those_of_libpq() {
    let settings = parse("host=db");
    assert_eq!(settings.display(), "me@db:5432/me");
    assert_eq!((settings.ssl.mode, settings.target), (SslMode::Prefer, TargetSession::Any));
    assert!(settings.keepalives.enabled);
    assert_eq!(parse("host=db dbname=shop").with_dbname("other").display(), "me@db:5432/other");
}

#[test]
fn several_hosts_pair_with_several_ports() {
    let settings = parse("host=a,/run/pg port=1,2");
    assert_eq!(settings.display(), "me@a:1,/run/pg:2/me");
    assert_eq!(settings.hosts[1].endpoint, Endpoint::Socket("/run/pg".into()));
    assert_eq!(parse("postgresql://a:1,b/x").display(), "me@a:1,b:5432/x");
    assert_eq!(parse("host=a,b port=7").display(), "me@a:7,b:7/me");
    assert!(refused("host=a,b,c port=1,2").contains("3 hosts"));
    assert_eq!(parse("postgresql://[::1]/x").display(), "me@[::1]:5432/x");
}

#[test]
fn an_address_stands_in_for_a_name() {
    let settings = parse("host=db hostaddr=127.0.0.1");
    assert_eq!(settings.hosts[0].address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(parse("hostaddr=127.0.0.1").hosts[0].endpoint, Endpoint::Name("127.0.0.1".into()));
}

#[test]
fn tls_settings_that_do_not_fit_are_refused() {
    assert_eq!(parse("host=db sslrootcert=system").ssl.mode, SslMode::VerifyFull);
    assert_eq!(parse("host=db sslmode=verify-ca sslrootcert=/ca").ssl.root, Some(SslRoot::File("/ca".into())));
    assert!(refused("host=db sslrootcert=system sslmode=require").contains("sslrootcert=system"));
    assert!(refused("host=db sslmode=verify-full").contains("without root certificates"));
    assert!(refused("host=db sslmode=verifyfull").contains("verifyfull"));
    assert!(refused("host=db sslcert=/c").contains("sslkey"));
}

#[test]
fn unknown_and_unsupported_parameters_are_named() {
    assert!(refused("postgresql://db/shop?schema=public").contains("\"schema\""));
    assert!(refused("host=db sslcrl=/x").contains("\"sslcrl\""));
    assert!(refused("host=db gssencmode=require").contains("gssencmode"));
    assert!(refused("host=db keepalives_idle=soon").contains("keepalives_idle"));
}

#[test]
fn a_port_that_may_be_part_of_a_password_is_not_shown() {
    for text in ["postgresql://u:S3/cret@h/d", "postgresql://u:S3?cret@h/d", "host=h port=S3cret", "host=S3@cret"] {
        assert!(!refused(text).contains("S3"), "{}", refused(text));
    }
}

#[test]
fn a_host_state_is_accepted_or_not() {
    assert!(TargetSession::Standby.accepts(true, true));
    assert!(!TargetSession::Primary.accepts(true, true));
    assert!(!TargetSession::ReadWrite.accepts(false, true));
    assert!(TargetSession::Any.accepts(true, true));
}
