use std::collections::BTreeMap;

use super::super::address::Scheme;
use super::super::{StoreUrl, create};
use super::not_built;
use crate::error::Kind;

fn url(text: &str) -> StoreUrl {
    text.parse().unwrap()
}

#[test]
fn a_build_without_a_cloud_says_how_to_get_one_with_it() {
    for (text, scheme, feature) in
        [("gs://bucket/p", Scheme::Gs, "--features gs"), ("az://box/p", Scheme::Az, "--features az")]
    {
        let error = not_built(&url(text), scheme);
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.help().unwrap().contains(feature), "{error:?}");
        if !cfg!(all(feature = "gs", feature = "az")) {
            assert!(create(&url(text), &BTreeMap::new()).is_err());
        }
    }
}

#[cfg(feature = "az")]
#[test]
fn an_account_that_is_not_named_and_a_key_that_is_none_are_for_the_operator() {
    let settings = |key: &str| {
        let pairs = [("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", key)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    assert!(create(&url("az://box/p"), &settings("aHVudGVyMg==")).is_ok());
    for given in [BTreeMap::new(), settings("hunter2 is no base64")] {
        let error = create(&url("az://box/p"), &given).err().unwrap();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.help().unwrap().contains("AZURE_STORAGE_ACCOUNT_NAME"), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[cfg(feature = "az")]
#[test]
fn what_an_editor_of_windows_left_is_told_by_its_variable_and_not_repeated() {
    for name in ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_TOKEN"] {
        let given = [(name.to_owned(), "hunter2\r".to_owned())].into();
        let error = create(&url("az://box/p"), &given).err().unwrap();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains(name) && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[cfg(feature = "gs")]
#[test]
fn a_service_account_whose_key_is_not_there_is_for_the_operator() {
    let given = [("GOOGLE_SERVICE_ACCOUNT".to_owned(), "/no/such/key.json".to_owned())].into();
    let error = create(&url("gs://bucket/p"), &given).err().unwrap();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.help().unwrap().contains("GOOGLE_SERVICE_ACCOUNT"), "{error:?}");
}
