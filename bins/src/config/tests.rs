mod columns;
mod stores;

use lifeboat_core::{Error, Kind};

use super::{BackupFlags, Config, ConfigFile, Environment, Flags, Problems, SingleDatabase};

const GOOD: &str = r#"
class = "nightly"

[store]
url = "s3://bucket/prod"
endpoint = "https://s3.example"
access_key_id = "credential:key-id"
secret_access_key = "credential:key"

[backup]
parts_in_flight = 4
stall_timeout = "45m"

[retention]
keep_days = { daily = 30, monthly = 366 }

[[database]]
name = "control"
url = "env:CONTROL_URL"

[[database]]
name = "data"
tools_prefix = ["docker", "exec", "-i", "db"]
user = "app"
"#;

fn load(text: &str, flags: Flags<'_>, environment: &Environment) -> Result<Config, Problems> {
    let file = ConfigFile { path: "lifeboat.toml".to_owned(), text: text.to_owned() };
    Config::load(Some(file), flags, environment)
}

fn problems(text: &str) -> Vec<String> {
    load(text, Flags::default(), &Environment::default()).expect_err("problems").lines()
}

#[test]
fn a_whole_file_is_read_and_shown_with_origins() {
    let config = load(GOOD, Flags::default(), &Environment::default()).unwrap();
    let shown = config.show();
    for line in [
        "# lifeboat.toml",
        r#"class = "nightly""#,
        "# line 2",
        r#"url = "s3://bucket/prod""#,
        r#"access_key_id = "credential:key-id""#,
        r#"stall_timeout = "45m""#,
        r#"tools_prefix = ["docker", "exec", "-i", "db"]"#,
        "keep_days.\"monthly\" = 366",
        "# default",
    ] {
        assert!(shown.contains(line), "{line} in:\n{shown}");
    }
    assert_eq!(config.retention.kept()[&"monthly".parse().unwrap()].as_hours(), 366 * 24);
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let config = load(GOOD, Flags::default(), &Environment::default()).unwrap();
    let again = load(&config.show(), Flags::default(), &Environment::default()).unwrap();
    assert_eq!(again.databases.len(), 2);
    assert_eq!(again.backup.stall_timeout.value, config.backup.stall_timeout.value);
}

#[test]
fn all_problems_are_told_at_once_with_line_and_column() {
    let text = "stor = \"s3://bucket/p\"\nclass = 3\n\n[backup]\nstal_timeout = \"5m\"\nlock_timeout = \"soon\"\n\n\
                [[database]]\nurl = \"env:X\"\n\n[[database]]\nname = \"Shop\"\n";
    let expected = [
        "lifeboat.toml:1:1: unknown key `stor` in the file",
        "lifeboat.toml:2:9: expected a name, found an integer",
        "lifeboat.toml:5:1: unknown key `stal_timeout` in [backup]",
        "lifeboat.toml:6:16: expected a duration such as \"30m\", \"10s\" or \"1h 30m\", found \"soon\"",
        "lifeboat.toml:8:1: [[database]] lacks `name`",
        "lifeboat.toml:12:8: \"Shop\" cannot be a name in the store",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn misspelt_keys_get_a_suggestion() {
    let found = load("[backup]\nstal_timeout = \"5m\"", Flags::default(), &Environment::default()).unwrap_err();
    assert!(found.render(false).contains("did you mean `stall_timeout`?"), "{}", found.render(false));
}

#[test]
fn a_column_that_lacks_something_is_told_with_all_its_misspelt_keys() {
    let found = problems("[[rotate.column]]\ncolumn = \"c\"\nlayot = \"hex(iv ct tag)\"\nmod = \"online\"\n");
    let expected = ["lacks `table`", "lacks `layout`", "unknown key `layot`", "unknown key `mod`"];
    assert!(expected.iter().all(|told| found.iter().any(|line| line.contains(told))), "{found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn errors_of_toml_itself_do_not_hide_the_others() {
    let found = problems("class = \nstor = \"x\"\n[backup\nmethod = \"fast\"\n");
    assert!(found.iter().any(|line| line.contains("unknown key `stor`")), "{found:?}");
    assert!(found.len() >= 3, "{found:?}");
}

#[test]
fn inline_secrets_are_refused_and_never_shown() {
    let text = "[store]\nurl = \"s3://bucket/p\"\naccess_key_id = \"env:ID\"\nsecret_access_key = \"hunter2\"\n\n\
                [[database]]\nname = \"a\"\nurl = \"postgres://a:hunter2@h/d\"\n\n[[database]]\nname = \"a\"\n";
    let found = load(text, Flags::default(), &Environment::default()).unwrap_err();
    assert_eq!(found.len(), 4, "{:?}", found.lines());
    assert!(!found.render(false).contains("hunter2") && !found.lines().concat().contains("hunter2"));
}

#[test]
fn flags_win_over_environment_over_file() {
    let environment =
        Environment::from([("LIFEBOAT_STORE", "file:///env"), ("LIFEBOAT_CLASS", "env"), ("AWS_REGION", "eu")]);
    let backup = BackupFlags { class: Some("flag"), ..BackupFlags::default() };
    let config = load(GOOD, Flags { backup, ..Flags::default() }, &environment).unwrap();
    assert_eq!(config.backup.class.value.as_str(), "flag");
    assert_eq!(config.store.url.as_ref().unwrap().value.to_string(), "file:///env");
    let shown = config.show();
    assert!(
        shown.contains("# --class") && shown.contains("# LIFEBOAT_STORE") && shown.contains("# AWS_REGION"),
        "{shown}"
    );
}

#[test]
fn a_single_database_needs_the_environment_only() {
    let environment = Environment::from([
        ("LIFEBOAT_STORE", "s3://bucket/prefix"),
        ("LIFEBOAT_NAME", "shop"),
        ("LIFEBOAT_DATABASE_URL", "env:DATABASE_URL"),
        ("DATABASE_URL", "postgres://a:hunter2@h/d"),
    ]);
    let config = Config::load(None, Flags::default(), &environment).unwrap();
    assert_eq!(config.databases[0].name.value.as_str(), "shop");
    assert!(!format!("{config:?}{}", config.show()).contains("hunter2"));
}

#[test]
fn a_name_narrows_the_run_to_one_database() {
    let database = SingleDatabase { name: Some("data"), url: Some("env:OTHER"), of_store: false };
    let config = load(GOOD, Flags { database, ..Flags::default() }, &Environment::default()).unwrap();
    assert_eq!(config.databases.len(), 1);
    assert_eq!(config.databases[0].url.as_ref().unwrap().value.to_string(), "env:OTHER");
    assert_eq!(config.databases[0].user.as_ref().unwrap().value, "app");
}

#[test]
fn a_name_that_the_file_lacks_is_a_wrong_argument_unless_the_store_may_know_it() {
    let unknown = SingleDatabase { name: Some("dta"), ..SingleDatabase::default() };
    let named = |database| load(GOOD, Flags { database, ..Flags::default() }, &Environment::default());
    let found = named(unknown).unwrap_err();
    assert_eq!(found.lines(), ["--name: no [[database]] is called \"dta\""]);
    let error = Error::from(found);
    assert_eq!((error.kind(), error.help()), (Kind::Usage, Some("configured are control, data")), "{error:?}");
    let all = named(SingleDatabase { of_store: true, ..unknown }).unwrap();
    assert_eq!(all.databases.len(), 2);
    // A variable is configuration, too.
    let variable = Environment::from([("LIFEBOAT_NAME", "dta")]);
    let database = SingleDatabase { of_store: true, ..SingleDatabase::default() };
    let found = load(GOOD, Flags { database, ..Flags::default() }, &variable).unwrap_err();
    assert_eq!(Error::from(found).kind(), Kind::Config);
}

#[test]
fn a_url_without_a_name_is_refused() {
    let environment = Environment::from([("LIFEBOAT_DATABASE_URL", "env:X")]);
    let found = Config::load(None, Flags::default(), &environment).unwrap_err();
    assert_eq!(found.lines(), ["the database has no name"]);
}
