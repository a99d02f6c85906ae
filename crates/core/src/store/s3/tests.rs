use std::collections::BTreeMap;

use object_store::aws::AmazonS3ConfigKey as Key;

use super::{Bucket, S3};
use crate::error::{Error, Kind, Result};
use crate::store::UploadOptions;
use crate::store::address::{Place, StoreUrl};
use crate::store::provider::Provider;
use crate::store::wire::Network;

fn configured(url: &str, given: &[(&str, &str)]) -> Result<S3> {
    let url: StoreUrl = url.parse().unwrap();
    let given: BTreeMap<_, _> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let Place::Bucket { name, region, .. } = &url.place else { panic!("{url} is no bucket") };
    Bucket { url: &url, name, region: region.as_ref() }.configure(&given, &Network::default())
}

fn value(s3: &S3, key: Key) -> Option<String> {
    s3.summed().get_config_value(&key)
}

fn refused(url: &str, given: &[(&str, &str)]) -> Error {
    configured(url, given).err().unwrap_or_else(|| panic!("{url} with {given:?} is taken"))
}

const B2_KEY: [(&str, &str); 2] = [("B2_APPLICATION_KEY_ID", "id"), ("B2_APPLICATION_KEY", "secret")];

#[test]
fn an_address_of_b2_leads_to_the_endpoint_of_its_region_with_b2s_own_key() {
    let s3 = configured("b2://bucket/prod?region=eu-central-003", &B2_KEY).unwrap();
    assert_eq!(value(&s3, Key::S3Endpoint).unwrap(), "https://s3.eu-central-003.backblazeb2.com");
    assert_eq!(value(&s3, Key::Region).unwrap(), "eu-central-003");
    assert_eq!(value(&s3, Key::AccessKeyId).unwrap(), "id");
    assert_eq!(value(&s3, Key::SecretAccessKey).unwrap(), "secret");
    // Its API has refused unknown checksum headers.
    assert_eq!(value(&s3, Key::Checksum), None);
    let by_setting = [&B2_KEY[..], &[("AWS_REGION", "us-west-004")]].concat();
    let s3 = configured("b2://bucket/prod", &by_setting).unwrap();
    assert_eq!(value(&s3, Key::S3Endpoint).unwrap(), "https://s3.us-west-004.backblazeb2.com");
}

#[test]
fn an_address_of_b2_without_region_or_key_says_what_is_missing() {
    let no_region = refused("b2://bucket/prod", &B2_KEY);
    assert!(no_region.help().unwrap().contains("?region="), "{no_region:?}");
    for half in [&[][..], &B2_KEY[..1], &B2_KEY[1..]] {
        let no_key = refused("b2://bucket/prod?region=x", half);
        assert!(no_key.help().unwrap().contains("B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY"), "{no_key:?}");
    }
    refused("b2://bucket/prod?region=x", &[&B2_KEY[..], &[("LIFEBOAT_STORE_PROVIDER", "r2")]].concat());
}

#[test]
fn what_a_provider_needs_is_known_from_its_name_or_its_endpoint() {
    let named =
        configured("s3://bucket", &[("LIFEBOAT_STORE_PROVIDER", "scaleway"), ("AWS_REGION", "fr-par")]).unwrap();
    assert_eq!(value(&named, Key::S3Endpoint).unwrap(), "https://s3.fr-par.scw.cloud");
    assert_eq!(named.parts_max, 1_000);
    let known = configured("s3://bucket", &[("AWS_ENDPOINT_URL", "https://s3.nl-ams.scw.cloud")]).unwrap();
    assert_eq!(known.parts_max, 1_000);
    let own = configured("s3://bucket", &[("AWS_ENDPOINT_URL", "https://minio.example.org")]).unwrap();
    assert_eq!((own.parts_max, value(&own, Key::Checksum)), (10_000, None));
    let garage = [("LIFEBOAT_STORE_PROVIDER", "garage"), ("AWS_ENDPOINT_URL", "https://garage.example.org")];
    assert_eq!(value(&configured("s3://bucket", &garage).unwrap(), Key::Region).unwrap(), "garage");
    assert!(refused("s3://bucket", &garage[..1]).help().unwrap().contains("endpoint ="));
}

/// What the page says of a provider is what is done for it.
#[test]
fn the_page_has_what_is_done_for_each_provider() {
    for provider in Provider::ALL {
        let name = provider.to_string();
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect(&name);
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [_, _, endpoint, region, checksum, parts, ..] = &cells[..] else { panic!("{row}") };
        let own = endpoint.starts_with("must be given").then_some(("AWS_ENDPOINT_URL", "https://store.example.org"));
        let needs_region = region == "must be given";
        let needed: Vec<_> = own.into_iter().chain(needs_region.then_some(("AWS_REGION", "eu-1"))).collect();
        let named = [&B2_KEY[..], &[("LIFEBOAT_STORE_PROVIDER", name.as_str())]].concat();
        let url = if name == "b2" { "b2://bucket" } else { "s3://bucket" };
        if !needed.is_empty() {
            refused(url, &named);
        }
        let s3 = configured(url, &[&named[..], &needed].concat()).unwrap();
        let region = if needs_region { "eu-1" } else { region };
        // The client's own, where there is none.
        assert_eq!(value(&s3, Key::Region).as_deref().unwrap_or("us-east-1"), region, "{name}");
        assert_eq!(value(&s3, Key::Checksum).as_deref().unwrap_or("none"), checksum, "{name}");
        assert_eq!(s3.parts_max.to_string(), parts.replace(',', ""), "{name}");
    }
}

const PAGE: &str = include_str!("../../../../../docs/stores.md");

#[test]
fn amazon_gets_a_checksum_and_no_endpoint_of_ours() {
    let s3 = configured("s3://bucket", &[("AWS_REGION", "eu-west-1")]).unwrap();
    assert_eq!(value(&s3, Key::Checksum).unwrap(), "crc64nvme");
    assert_eq!((value(&s3, Key::S3Endpoint), value(&s3, Key::Endpoint)), (None, None));
    let elsewhere = configured("s3://bucket", &[("AWS_BUCKET", "other")]).unwrap();
    assert_eq!(value(&elsewhere, Key::Bucket).unwrap(), "bucket");
}

#[test]
fn a_setting_beats_what_is_known() {
    let s3 = configured("s3://bucket", &[("LIFEBOAT_STORE_CHECKSUM", "none"), ("AWS_CHECKSUM_ALGORITHM", "sha256")]);
    assert_eq!(value(&s3.unwrap(), Key::Checksum), None);
    let s3 = configured("s3://bucket", &[("AWS_CHECKSUM_ALGORITHM", "SHA256"), ("LIFEBOAT_STORE_PARTS_MAX", "500")])
        .unwrap();
    assert_eq!((value(&s3, Key::Checksum).unwrap(), s3.parts_max), ("sha256".to_owned(), 500));
    for wrong in
        [("LIFEBOAT_STORE_PARTS_MAX", "1"), ("LIFEBOAT_STORE_CHECKSUM", "md5"), ("LIFEBOAT_STORE_PATH_STYLE", "no")]
    {
        refused("s3://bucket", &[wrong]);
    }
}

#[test]
fn a_bucket_can_stand_in_the_host_name() {
    let endpoint = |given: &str| {
        let given = [("AWS_ENDPOINT_URL", given), ("LIFEBOAT_STORE_PATH_STYLE", "false")];
        value(&configured("s3://bucket", &given).unwrap(), Key::S3Endpoint).unwrap()
    };
    assert_eq!(endpoint("https://s3.example.org"), "https://bucket.s3.example.org");
    assert_eq!(endpoint("https://bucket.s3.example.org:9000/"), "https://bucket.s3.example.org:9000");
    refused("s3://bucket", &[("AWS_ENDPOINT_URL", "https://10.0.0.1"), ("LIFEBOAT_STORE_PATH_STYLE", "false")]);
}

#[test]
fn uploads_keep_to_the_parts_that_the_store_takes() {
    let settings = [
        ("AWS_ENDPOINT_URL", "https://s3.fr-par.scw.cloud"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let store = crate::store::open(&"s3://bucket/p".parse().unwrap(), &settings).unwrap();
    assert_eq!(UploadOptions::of(&store).parts_max, 1_000);
}

#[test]
fn what_no_request_can_carry_is_refused_and_not_repeated() {
    let endpoints = [
        "127.0.0.1:9000",
        "localhost:9000",
        "s3.example.com",
        "https://",
        "https://s3.example.com\r",
        "https://s3:99999",
    ];
    let endpoints = endpoints.map(|endpoint| ("AWS_ENDPOINT_URL", endpoint));
    let texts = [("AWS_ACCESS_KEY_ID", "hunter2\r"), ("AWS_SESSION_TOKEN", "hunter2\n"), ("AWS_REGION", "eu west\r")];
    for setting in endpoints.into_iter().chain(texts) {
        let error = refused("s3://bucket", &[setting]);
        assert_eq!(error.kind(), Kind::Config, "{setting:?}");
        assert!(error.help().is_some() && !error.chain().contains("hunter2"), "{error:?}");
    }
    for region in ["auto", "us-east-1", "RegionOne"] {
        configured("s3://bucket", &[("AWS_ENDPOINT_URL", "https://[::1]:9000/s3/"), ("AWS_REGION", region)]).unwrap();
    }
}
