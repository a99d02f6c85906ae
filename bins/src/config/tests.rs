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
    let text = "stor = \"s3://b/p\"\nclass = 3\n\n[backup]\nstal_timeout = \"5m\"\nlock_timeout = \"soon\"\n\n\
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
    let text = "[store]\nurl = \"s3://b/p\"\naccess_key_id = \"env:ID\"\nsecret_access_key = \"hunter2\"\n\n\
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

#[test]
fn half_a_key_pair_is_refused_rather_than_completed_from_another_layer() {
    let environment = Environment::from([("AWS_ACCESS_KEY_ID", "other")]);
    let found = load(GOOD, Flags::default(), &environment).unwrap_err();
    assert!(found.lines()[0].contains("AWS_SECRET_ACCESS_KEY"), "{:?}", found.lines());
}

#[test]
fn a_file_that_names_the_variables_themselves_is_no_half_a_key_pair() {
    let text = "[store]\nurl = \"s3://b/p\"\naccess_key_id = \"env:AWS_ACCESS_KEY_ID\"\n\
                secret_access_key = \"env:AWS_SECRET_ACCESS_KEY\"\n";
    let environment = Environment::from([("AWS_SECRET_ACCESS_KEY", "secret")]);
    let store = load(text, Flags::default(), &environment).unwrap().store;
    assert_eq!(store.secrets.len(), 2, "{:?}", store.secrets);
}

const B2: &str = "store = \"b2://bucket/prod?region=eu-central-003\"\n";

#[test]
fn a_store_of_b2_has_b2s_variables_and_sees_none_of_amazons() {
    let environment = Environment::from([
        ("B2_APPLICATION_KEY_ID", "id"),
        ("B2_APPLICATION_KEY", "hunter2"),
        ("AWS_ACCESS_KEY_ID", "amazons"),
        ("AWS_SECRET_ACCESS_KEY", "hunter3"),
        ("AWS_ENDPOINT_URL", "http://elsewhere"),
    ]);
    let store = load(B2, Flags::default(), &environment).unwrap().store;
    let references: Vec<_> = store.secrets.values().map(|secret| secret.value.to_string()).collect();
    assert_eq!(references, ["env:B2_APPLICATION_KEY_ID", "env:B2_APPLICATION_KEY"]);
    assert!(store.settings.is_empty() && store.plain_http().is_none(), "{:?}", store.settings);
    let half = Environment::from([("B2_APPLICATION_KEY", "hunter2"), ("AWS_ACCESS_KEY_ID", "amazons")]);
    let found = load(B2, Flags::default(), &half).unwrap_err();
    assert!(found.lines()[0].contains("B2_APPLICATION_KEY_ID"), "{:?}", found.lines());
}

#[tokio::test]
async fn a_store_of_b2_is_opened_with_the_key_of_file_or_environment() {
    let in_file =
        "[store]\nurl = \"b2://bucket/prod?region=x\"\naccess_key_id = \"env:ID\"\nsecret_access_key = \"env:KEY\"\n";
    let environment = Environment::from([("ID", "id"), ("KEY", "hunter2")]);
    load(in_file, Flags::default(), &environment).unwrap().store.open(&environment).await.unwrap();
    let error = load(B2, Flags::default(), &environment).unwrap().store.open(&environment).await.err().unwrap();
    assert!(error.help().unwrap().contains("B2_APPLICATION_KEY_ID"), "{error:?}");
    let other = load(in_file, Flags::default(), &environment).unwrap().store.moved_to("s3://bucket");
    assert!(other.err().unwrap().to_string().contains("different keys"));
}

#[test]
fn what_is_known_of_a_store_is_read_and_shown_again() {
    let text = "[store]\nurl = \"s3://b/p\"\nprovider = \"scaleway\"\nregion = \"fr-par\"\nallow_http = true\n\
                path_style = false\nchecksum = \"crc64nvme\"\nparts_max = 1000\ndeletes = \"versions\"\n";
    let config = load(text, Flags::default(), &Environment::default()).unwrap();
    let again = load(&config.show(), Flags::default(), &Environment::default()).unwrap();
    assert_eq!(again.store.parts_max.unwrap().value.get(), 1000);
    let lines = ["provider = \"scaleway\"", "allow_http = true", "path_style = false", "checksum = \"crc64nvme\""];
    let lines = lines.into_iter().chain(["deletes = \"versions\""]).collect::<Vec<_>>();
    assert!(lines.iter().all(|line| config.show().contains(line)), "{}", config.show());
    let wrong = text.replace("scaleway", "amazon").replace("crc64nvme", "md5");
    let found = problems(&wrong);
    assert!(found[0].contains("\"amazon\" is no provider") && found[1].contains("\"md5\" is no checksum"), "{found:?}");
    let by_variable = Environment::from([("LIFEBOAT_STORE_PROVIDER", "r2")]);
    assert!(load(text, Flags::default(), &by_variable).unwrap().show().contains("provider = \"r2\""));
}

#[test]
fn what_stores_of_s3_alone_look_at_is_refused_elsewhere_and_each_line_is_named() {
    let lines = "region = \"eu-1\"\naccess_key_id = \"env:ID\"\ndeletes = \"versions\"\nbandwidth = \"4MiB/s\"\n";
    for (address, variables) in [("gs://b/p", "GOOGLE_*"), ("az://c/p", "AZURE_*")] {
        let text = format!("[store]\nurl = \"{address}\"\n{lines}");
        let found = load(&text, Flags::default(), &Environment::default()).unwrap_err();
        let told = found.lines();
        assert_eq!(told.len(), 3, "{told:?}");
        for (line, key) in [(3, "region"), (4, "access_key_id"), (5, "deletes")] {
            let place = format!("lifeboat.toml:{line}:1: `{key}` means nothing at");
            assert!(told.iter().any(|told| told.starts_with(&place)), "{place}: {told:?}");
            assert!(found.render(false).contains(&format!("remove line {line}: {variables} variables")), "{told:?}");
        }
        // Variables may be of another store, and so may the file's keys beside another address.
        let of_another = Environment::from([("LIFEBOAT_STORE_DELETES", "versions"), ("AWS_REGION", "eu-1")]);
        load(&format!("store = \"{address}\""), Flags::default(), &of_another).unwrap();
        let elsewhere = "[store]\nurl = \"s3://b/p\"\nregion = \"eu-1\"\n";
        load(elsewhere, Flags { store: Some(address), ..Flags::default() }, &Environment::default()).unwrap();
    }
}

#[tokio::test]
async fn no_variable_of_amazon_decides_unseen() {
    let text = "[store]\nurl = \"s3://b/p\"\nendpoint = \"https://file.example\"\nregion = \"eu-1\"\n";
    let environment = Environment::from([
        ("AWS_ENDPOINT_URL", "https://general.example"),
        ("AWS_ENDPOINT_URL_S3", "https://s3.example"),
        ("AWS_REGION", "eu-1"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
        ("AWS_CHECKSUM_ALGORITHM", "SHA256"),
        ("AWS_UNSIGNED_PAYLOAD", "true"),
        ("AWS_PROFILE", "of other tools"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ]);
    let config = load(text, Flags::default(), &environment).unwrap();
    let shown = config.show();
    for (value, origin) in [
        ("endpoint = \"https://s3.example\"", "# AWS_ENDPOINT_URL_S3"),
        ("path_style = false", "# AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
        ("checksum = \"sha256\"", "# AWS_CHECKSUM_ALGORITHM"),
    ] {
        assert!(shown.lines().any(|line| line.starts_with(value) && line.ends_with(origin)), "{value} in {shown}");
    }
    // A region that is the same one is no news.
    assert_eq!(
        config.store.overruled,
        ["AWS_ENDPOINT_URL_S3 is set, and counts instead of line 3 of the configuration"]
    );
    assert_eq!(config.store.passed_on_unseen(&environment), ["AWS_UNSIGNED_PAYLOAD"]);
    let decided = config.store.by_environment(&environment);
    assert!(decided.contains(&"endpoint by AWS_ENDPOINT_URL_S3".to_owned()), "{decided:?}");
    assert!(decided.contains(&"the client's AWS_UNSIGNED_PAYLOAD".to_owned()), "{decided:?}");
    config.store.open(&environment).await.unwrap();
    let in_file = text.replace("region", "path_style = true\nchecksum = \"none\"\nregion");
    let shown = load(&in_file, Flags::default(), &environment).unwrap().show();
    assert!(shown.contains("path_style = true") && shown.contains("checksum = \"none\""), "{shown}");
}

const COLUMNS: &str = r#"
[[database]]
name = "shop"

[[database]]
name = "ledger"

[rotate]
old = "env:OLD"
new = "file:/etc/app/new.key"
key_format = "scrypt(N=16384, r=8, p=1)"
mode = "staged"
pause = "1s"

[[rotate.column]]
database = "shop"
table = "app.tokens"
column = "secret"
layout = "base64( iv  tag ct )"
key_columns = ["tenant", "id"]
aad = "{table}.{column}:{id}"

[[rotate.column]]
database = "ledger"
table = "vault"
layout = "columns{ct: bytes(ct tag), iv: bytes(iv)}"
key_format = "hex"
new_id = "2026-12"
"#;

#[test]
fn encrypted_columns_are_read_and_what_is_shown_is_read_again() {
    let config = load(COLUMNS, Flags::default(), &Environment::default()).unwrap();
    let shown = config.show();
    for line in
        ["table = \"app.tokens\"", "layout = \"base64(iv tag ct)\"", "[rotate]", "old = \"env:OLD\"", "pause = \"1s\""]
    {
        assert!(shown.contains(line), "{line} in:\n{shown}");
    }
    let again = load(&shown, Flags::default(), &Environment::default()).unwrap();
    assert_eq!(again.rotate.columns.len(), 2, "{shown}");
    let (one, two) = (&again.rotate.columns[0], &again.rotate.columns[1]);
    assert_eq!((one.name(), two.name()), ("app.tokens.secret".to_owned(), "public.vault.ct+iv".to_owned()));
    assert_eq!(two.keys.or(&again.rotate.keys).key_format.unwrap().value.to_string(), "hex");
    assert!(one.keys.or(&again.rotate.keys).new.is_some());
}

#[test]
fn what_is_wrong_with_a_column_is_told_at_its_line() {
    let text = COLUMNS
        .replace("column = \"secret\"\n", "")
        .replace("database = \"ledger\"\n", "")
        .replace("iv  tag ct", "iv ct");
    let found = problems(
        &(text + "\n[[rotate.column]]\ntable = \"vault\"\nlayout = \"columns{ct: bytes(ct tag), iv: bytes(iv)}\"\n"),
    );
    for part in ["the layout has no `tag`", "several", "a second time"] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
    }
    let neither = problems("[[rotate.column]]\ntable = \"t\"\nlayout = \"base64(iv tag ct)\"\n");
    assert!(neither[0].contains("which column has this layout"), "{neither:?}");
    let inline = problems("[rotate]\nnew = \"hunter2\"\n");
    assert!(inline[0].contains("a secret stands here") && !inline.concat().contains("hunter2"), "{inline:?}");
}

#[test]
fn an_operators_program_gets_the_new_key_of_columns_and_no_other_secret() {
    let text = r#"
[store]
url = "s3://bucket"
proxy = "env:WAY"

[encryption]
keyring = "env:RING"

[rotate]
old = "env:OLD"
new = "env:NEW"

[[database]]
name = "shop"
url = "env:SHOP"

[[rotate.column]]
table = "tokens"
column = "secret"
layout = "hex(iv ct tag)"
old = "env:OLDER"
new = "env:OLD_OF_ANOTHER"

[[rotate.column]]
table = "vault"
column = "secret"
layout = "hex(iv ct tag)"
old = "env:OLD_OF_ANOTHER"
"#;
    let names = ["WAY", "RING", "OLD", "OLDER", "SHOP", "NEW", "OLD_OF_ANOTHER", "HOME"];
    let environment = Environment::from(names.map(|name| (name, "x")));
    let config = load(text, Flags::default(), &environment).unwrap();
    let seen = environment.for_operators_program(&config.secret_variables());
    assert_eq!(seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["HOME", "NEW", "OLD_OF_ANOTHER"]);
}

#[test]
fn a_column_of_the_command_line_stands_alone() {
    let flags = super::RotateFlags {
        table: Some("other"),
        column: Some("c"),
        layout: Some("hex(iv ct tag)"),
        ..Default::default()
    };
    let config = load(COLUMNS, Flags { rotate: flags, ..Flags::default() }, &Environment::default()).unwrap();
    assert_eq!(config.rotate.columns.iter().map(super::ColumnConfig::name).collect::<Vec<_>>(), ["public.other.c"]);
    let lone = super::RotateFlags { column: Some("c"), ..Default::default() };
    let found = load(COLUMNS, Flags { rotate: lone, ..Flags::default() }, &Environment::default()).unwrap_err();
    assert_eq!(found.lines(), ["--column: --column needs --table"]);
}
