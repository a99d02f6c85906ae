use super::super::{Environment, Flags};
use super::{GOOD, load, problems};

#[test]
fn half_a_key_pair_is_refused_rather_than_completed_from_another_layer() {
    let environment = Environment::from([("AWS_ACCESS_KEY_ID", "other")]);
    let found = load(GOOD, Flags::default(), &environment).unwrap_err();
    assert!(found.lines()[0].contains("AWS_SECRET_ACCESS_KEY"), "{:?}", found.lines());
}

#[test]
fn a_file_that_names_the_variables_themselves_is_no_half_a_key_pair() {
    let text = "[store]\nurl = \"s3://bucket/p\"\naccess_key_id = \"env:AWS_ACCESS_KEY_ID\"\n\
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
    let text = "[store]\nurl = \"s3://bucket/p\"\nprovider = \"scaleway\"\nregion = \"fr-par\"\nallow_http = true\n\
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
    for (address, variables) in [("gs://bucket/p", "GOOGLE_*"), ("az://box/p", "AZURE_*")] {
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
        let elsewhere = "[store]\nurl = \"s3://bucket/p\"\nregion = \"eu-1\"\n";
        load(elsewhere, Flags { store: Some(address), ..Flags::default() }, &Environment::default()).unwrap();
    }
}

#[tokio::test]
async fn no_variable_of_amazon_decides_unseen() {
    let text = "[store]\nurl = \"s3://bucket/p\"\nendpoint = \"https://file.example\"\nregion = \"eu-1\"\n";
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
