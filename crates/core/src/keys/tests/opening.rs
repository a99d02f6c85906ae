//! Which keys open a backup, and what those that do not say.

use std::sync::Arc;

use super::{Folder, OWNER, data_key, id, open_keys, secret, symmetric};
use crate::error::Kind;
use crate::keys::{KeyWrap, OpenKeys, RecipientKey, SealKeys};

#[tokio::test]
async fn every_key_opens_what_it_wrapped_and_names_itself() {
    let (old, new) = (symmetric("2026-10", 1), symmetric("2026-11", 2));
    let private = Arc::new(RecipientKey::new(secret(3)).unwrap());
    let folder = Folder::wrapped(&[old.as_ref(), new.as_ref(), private.recipient()]).await;
    let recipient = private.id().clone();
    for (key, name) in [(old as Arc<dyn KeyWrap>, id("2026-10")), (new, id("2026-11")), (private, recipient)] {
        let (opened, by) = folder.opened_by(&open_keys(vec![key])).await.unwrap();
        assert!(opened.is(&data_key()));
        assert_eq!(by, name);
    }
}

#[tokio::test]
async fn two_wraps_of_one_data_key_differ() {
    let (key, recipient) = (symmetric("a", 1), RecipientKey::new(secret(3)).unwrap());
    for key in [key.as_ref() as &dyn KeyWrap, recipient.recipient()] {
        assert_ne!(key.wrap(&data_key(), OWNER).await.unwrap(), key.wrap(&data_key(), OWNER).await.unwrap());
    }
}

#[tokio::test]
async fn a_stranger_learns_which_keys_would_open_a_backup() {
    let folder = Folder::wrapped(&[symmetric("2026-10", 1).as_ref(), symmetric("2026-11", 2).as_ref()]).await;
    let none = folder.opened_by(&OpenKeys::default()).await.unwrap_err();
    assert_eq!(none.kind(), Kind::WrongKey);
    assert_eq!(none.to_string(), format!("open {OWNER}: it is encrypted, and there is no key to open it with"));
    assert_eq!(none.help(), Some("it opens with 2026-10, 2026-11; --keyring says where keys are"));
    let other = folder.opened_by(&open_keys(vec![symmetric("2025-01", 1)])).await.unwrap_err();
    assert_eq!((other.kind(), other.help()), (Kind::WrongKey, none.help()));
    assert_eq!(other.to_string(), format!("open {OWNER}: no key at hand does; at hand are 2025-01"));
}

#[tokio::test]
async fn a_retired_key_stays_closed_and_says_which_option_opens_it() {
    let folder = Folder::wrapped(&[symmetric("2026-10", 1).as_ref()]).await;
    let keys = OpenKeys { retired: vec![id("2026-10")], ..open_keys(vec![symmetric("2026-11", 2)]) };
    let error = folder.opened_by(&keys).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::WrongKey, format!("open {OWNER}: the key 2026-10 is retired"))
    );
    assert!(error.help().unwrap().contains("--allow-retired"));
}

#[tokio::test]
async fn another_key_under_the_same_id_is_a_wrong_key() {
    let folder = Folder::wrapped(&[symmetric("2026-11", 1).as_ref()]).await;
    let error = folder.opened_by(&open_keys(vec![symmetric("2026-11", 2)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.to_string().contains("this is not the key 2026-11 that wrapped it"), "{error}");
}

#[tokio::test]
async fn a_recipient_cannot_open_what_it_wrapped() {
    let recipient = RecipientKey::new(secret(3)).unwrap().recipient().clone();
    let folder = Folder::wrapped(&[&recipient]).await;
    let error = folder.opened_by(&open_keys(vec![Arc::new(recipient)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.to_string().ends_with("can only encrypt"), "{error}");
}

#[tokio::test]
async fn a_backup_whose_wraps_are_gone_is_damaged() {
    let error = Folder(Vec::new()).opened_by(&open_keys(vec![symmetric("a", 1)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().ends_with("no wrap of its key is left"), "{error}");
}

#[tokio::test]
async fn one_damaged_wrap_does_not_close_a_backup_that_another_opens() {
    let (old, new) = (symmetric("2026-10", 1), symmetric("2026-11", 2));
    let mut folder = Folder::wrapped(&[old.as_ref(), new.as_ref()]).await;
    folder.0[0].1.truncate(20);
    let (_, by) = folder.opened_by(&open_keys(vec![old.clone(), new])).await.unwrap();
    assert_eq!(by, id("2026-11"));
    let error = folder.opened_by(&open_keys(vec![old])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
}

#[test]
fn an_unencrypted_backup_is_refused_where_keys_are_configured() {
    let mut keys = OpenKeys::default();
    assert!(keys.judge_unencrypted("shop/x").is_ok());
    keys.required = true;
    let error = keys.judge_unencrypted("shop/x").unwrap_err();
    assert_eq!(error.kind(), Kind::Policy);
    assert!(error.help().unwrap().contains("--allow-unencrypted"));
    keys.allow_unencrypted = true;
    assert!(keys.judge_unencrypted("shop/x").is_ok());
}

#[tokio::test]
async fn a_backup_is_sealed_with_one_key_at_least_and_each_once() {
    assert_eq!(SealKeys::new(Vec::new(), None).unwrap_err().kind(), Kind::Config);
    let key = symmetric("2026-11", 1);
    let one = SealKeys::new(vec![key.clone(), key.clone()], None).unwrap();
    assert_eq!(one.wrap(&data_key(), OWNER).await.unwrap().len(), 1);
    let warning = one.single_wrap_warning().unwrap();
    assert!(warning.contains("2026-11") && warning.contains("recipient") && warning.len() < 120, "{warning}");
    let recipient = RecipientKey::new(secret(3)).unwrap().recipient().clone();
    assert_eq!(SealKeys::new(vec![key, Arc::new(recipient)], None).unwrap().single_wrap_warning(), None);
}
