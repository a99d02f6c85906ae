//! A service that embeds the library: keys are values of its own, two tenants share a process, and a key may be held by
//! something that Lifeboat does not know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, Reach, RestoreOptions, Source, backup, restore, verify};
use lifeboat_core::keys::{DataKey, KeyId, KeyWrap, OpenKeys, SealKeys, Secret, Wrap, WrapCipher};
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{self, Store};
use lifeboat_core::{Error, Kind, Result};
use lifeboat_tests::compare::assert_same;
use lifeboat_tests::keyring::{DECEMBER, NOVEMBER, ring};
use lifeboat_tests::{Database, Identity, Major, Seaweed, fixtures, run, unused_name};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::vault::{Vault, tiny};

fn store_at(url: &str) -> Store {
    let environment = Seaweed::shared().environment(Identity::Admin);
    let environment: BTreeMap<_, _> = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    store::open(&url.parse().unwrap(), &environment).unwrap()
}

fn settings(dsn: &str) -> ConnectionSettings {
    ConnectionSettings::parse(dsn, &|_: &str| None).unwrap()
}

/// Backs up under `name`; gives the reference to the backup.
async fn backed_up(database: &Database<'_>, name: &str, store: &Store, seal: SealKeys) -> Result<String> {
    let state = TempDir::new().unwrap();
    let tools_dir = Some(database.server.installation.bin.clone());
    let reach = Reach::Direct { settings: Box::new(settings(&database.dsn())), tools_dir };
    let source = Source::new(name.parse().unwrap(), reach);
    let options = BackupOptions { seal: Some(Arc::new(seal)), ..BackupOptions::new(state.path()) };
    Ok(format!("{name}/{}", backup(&source, store, &options, Arc::new(Silent)).await?.id))
}

async fn restored(store: &Store, reference: &str, dsn: &str, keys: OpenKeys) -> Result<()> {
    let options = RestoreOptions { create: true, keys, ..RestoreOptions::default() };
    restore(store, &reference.parse().unwrap(), &settings(dsn), &options, Arc::new(Silent)).await.map(drop)
}

async fn verified(store: &Store, reference: &str, keys: &OpenKeys) -> Result<()> {
    let reference = reference.parse().unwrap();
    verify(store, keys, &reference, CancellationToken::new(), Arc::new(Silent)).await.map(drop)
}

#[test]
fn two_tenants_in_one_process_each_with_keys_of_their_own() {
    let (vault, small) = (Vault::new(), fixtures::small(Major::V15));
    let other = tiny();
    let store = store_at(&vault.bucket.url("prod"));
    let [november, december] = [NOVEMBER, DECEMBER].map(|entry| ring(&[entry]));
    let targets = [small.server.adopt(&unused_name("tenant")), other.server.adopt(&unused_name("tenant"))];
    let dsns = [targets[0].dsn(), targets[1].dsn()];
    run(async {
        let (one, two) = tokio::join!(
            backed_up(&small, "one", &store, november.seal_keys(&[]).unwrap()),
            backed_up(&other, "two", &store, december.seal_keys(&[]).unwrap()),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        let (first, second) = tokio::join!(
            restored(&store, &one, &dsns[0], november.open_keys(false)),
            restored(&store, &two, &dsns[1], december.open_keys(false)),
        );
        first.unwrap();
        second.unwrap();
        for (reference, keys) in [(&one, &december), (&two, &november)] {
            let refused = verified(&store, reference, &keys.open_keys(false)).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::WrongKey, "{refused:?}");
        }
    });
    assert_same(&small, &targets[0]);
    assert_same(&other, &targets[1]);
}

/// A key that a service holds: it answers as a KMS would, and counts.
#[derive(Debug)]
struct Service {
    id: KeyId,
    pad: [u8; 32],
    calls: AtomicUsize,
    refuses: bool,
}

impl Service {
    fn new(refuses: bool) -> Arc<Service> {
        Arc::new(Service { id: "kms-1".parse().unwrap(), pad: [0x5a; 32], calls: AtomicUsize::new(0), refuses })
    }

    async fn answer(&self) -> Result<()> {
        tokio::task::yield_now().await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.refuses { Err(Error::new(Kind::TryAgain, "ask the service")) } else { Ok(()) }
    }

    fn padded(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().zip(self.pad).map(|(byte, pad)| byte ^ pad).collect()
    }
}

#[async_trait]
impl KeyWrap for Service {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Wrap> {
        self.answer().await?;
        let padded = hex::encode(self.padded(key.secret().expose()));
        let fields = BTreeMap::from([("blob".to_owned(), format!("{owner}:{padded}").into())]);
        let cipher = WrapCipher::Other { algorithm: "test-service".to_owned(), fields };
        Ok(Wrap { backup: owner.to_owned(), key: self.id.clone(), cipher })
    }

    async fn unwrap(&self, wrap: &Wrap) -> Result<DataKey> {
        self.answer().await?;
        let refused = || Error::new(Kind::Integrity, "read the service's wrap");
        let WrapCipher::Other { fields, .. } = &wrap.cipher else { return Err(refused()) };
        let blob = fields.get("blob").and_then(|blob| blob.as_str()).ok_or_else(refused)?;
        let padded = blob.strip_prefix(&format!("{}:", wrap.backup)).ok_or_else(refused)?;
        let bytes = self.padded(&hex::decode(padded).map_err(|_| refused())?);
        Ok(DataKey::from_secret(Secret::copied(&bytes.try_into().map_err(|_| refused())?)))
    }
}

#[test]
fn a_key_that_a_service_holds_seals_and_opens_like_any_other() {
    let (vault, original) = (Vault::new(), tiny());
    let store = store_at(&vault.bucket.url("prod"));
    let target = original.server.adopt(&unused_name("service"));
    let service = Service::new(false);
    run(async {
        let seal = SealKeys::new(vec![service.clone()], None).unwrap();
        let reference = backed_up(&original, "shop", &store, seal).await.unwrap();
        assert_eq!(service.calls.load(Ordering::Relaxed), 1, "one call for each backup");
        let keys = OpenKeys { keys: vec![service.clone()], required: true, ..OpenKeys::default() };
        restored(&store, &reference, &target.dsn(), keys).await.unwrap();
        assert_eq!(service.calls.load(Ordering::Relaxed), 2, "one call for each restore");
        let refused = verified(&store, &reference, &ring(&[NOVEMBER]).open_keys(false)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::WrongKey);
        assert!(refused.help().unwrap().contains("kms-1"), "{refused:?}");
    });
    assert_same(&original, &target);
    assert_eq!(vault.list()[0]["keys"], serde_json::json!(["kms-1"]));
}

#[test]
fn a_service_that_does_not_answer_ends_the_backup_before_anything_is_dumped_and_the_record_says_so() {
    let (vault, original) = (Vault::new(), tiny());
    let store = store_at(&vault.bucket.url("prod"));
    let service = Service::new(true);
    let seal = SealKeys::new(vec![service], None).unwrap();
    let refused = run(backed_up(&original, "shop", &store, seal)).unwrap_err();
    assert_eq!(refused.kind(), Kind::TryAgain);
    let left: Vec<_> = vault.bucket.objects().into_keys().filter(|key| !key.contains("/runs/")).collect();
    assert!(left.is_empty(), "{left:?}");
    let end =
        vault.bucket.objects().into_keys().find(|key| key.ends_with(".end.json")).expect("the run's end is recorded");
    let end: serde_json::Value = serde_json::from_slice(&vault.bucket.read(&end)).unwrap();
    let result = end["results"][0].as_object().unwrap();
    assert!(result["error_kind"].is_string() && !result.contains_key("error"), "{end}");
}
