//! What `gs://` and `az://` have of their own; what they share with every store is in `contract`.

use std::net::SocketAddr;

use lifeboat_core::codec::Sha256;
use lifeboat_core::keys::{KeyKind, Keyring};
use lifeboat_core::store::Journal;
use lifeboat_tests::servers::azurite::{Azurite, CONTAINER};
use lifeboat_tests::servers::lookalikes::{self, Lookalike};
use lifeboat_tests::{Fault, Lifeboat, Major, Outcome, Proxy, When, fixtures, lifeboat, run};
use tempfile::TempDir;

use crate::contract::{bytes, upload};
use crate::stand::{Place, Stand, job};

const CLOUDS: [Stand; 2] = [Stand::Azure, Stand::Google];

/// `lifeboat list` of a place, with some of its variables changed.
fn list(place: &Place, changed: &[(&str, &str)]) -> Outcome {
    place.lifeboat().arg("list").envs(changed.iter().copied()).run()
}

/// The error and what to do about it, in one line.
fn told(outcome: &Outcome) -> String {
    outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_azure_refuses_is_told_by_its_own_words_and_variables() {
    let place = Stand::Azure.place();
    let nowhere = Place::at("az://no-such-container/prod".to_owned(), place.environment.clone());
    let missing = told(&list(&nowhere, &[]).expect(10));
    assert!(missing.contains("(ContainerNotFound)") && missing.contains("create the container"), "{missing}");
    assert!(!missing.contains("RequestId"), "{missing}");
    let written = nowhere.lifeboat().arg("backup").of(&fixtures::small(Major::V15)).run().expect(10);
    assert!(told(&written).contains("create the container"), "{}", written.text());

    let stranger = list(&place, &[("AZURE_STORAGE_ACCOUNT_KEY", "c3RyYW5nZXI=")]).expect(78);
    assert!(told(&stranger).contains("correct the account's"), "{}", stranger.stderr);
    let unsent = list(&place, &[("AZURE_ALLOW_HTTP", "false")]).expect(78);
    assert!(told(&unsent).contains("AZURE_ALLOW_HTTP=true"), "{}", unsent.stderr);
    let unnamed = Lifeboat::new().args(["list", "--store", &place.url]).run().expect(78);
    assert!(told(&unnamed).contains("AZURE_STORAGE_ACCOUNT_NAME"), "{}", unnamed.stderr);
    let all = [missing, written.text(), stranger.text(), unsent.text(), unnamed.text()].concat();
    assert!(!all.contains(&Azurite::account_key()) && !all.contains("c3RyYW5nZXI="), "{all}");
}

#[test]
fn what_google_refuses_is_told_by_its_own_variables() {
    let place = Stand::Google.place();
    let nowhere = Place::at("gs://no-such-bucket-anywhere/prod".to_owned(), place.environment.clone());
    let missing = told(&list(&nowhere, &[]).expect(10));
    assert!(missing.contains("(NoSuchBucket)") && missing.contains("create the bucket"), "{missing}");
    let unsent = list(&place, &[("GOOGLE_ALLOW_HTTP", "")]).expect(78);
    assert!(told(&unsent).contains("GOOGLE_ALLOW_HTTP=true"), "{}", unsent.stderr);
    let no_key = Lifeboat::new().args(["list", "--store", &place.url]).env("GOOGLE_SERVICE_ACCOUNT", "/no/such/key");
    let no_key = no_key.run().expect(78);
    assert!(told(&no_key).contains("set GOOGLE_SERVICE_ACCOUNT"), "{}", no_key.stderr);
    assert!(![missing, unsent.text()].concat().contains("canary-google"), "{}", unsent.text());
}

/// Azure knows no uploads: asked to put together once more what it has put together, it misses the parts.
#[test]
fn an_object_is_looked_for_when_azure_misses_its_parts() {
    let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], Azurite::shared().port())));
    let completes = |call: &lifeboat_tests::proxy::Call| call.query.contains(&("comp".into(), "blocklist".into()));
    proxy.on(When::call(completes).times(1), Fault::LoseAnswer);
    let place = Place::at(
        format!("az://{CONTAINER}/{}", lifeboat_tests::unused_name("lost")),
        Azurite::behind(&proxy.endpoint()),
    );
    let folder = TempDir::new().unwrap();
    let parts = vec![bytes(16 << 20, 1), bytes(7, 2)];
    let whole = parts.concat();
    run(async {
        let (store, job) = (place.store(), job());
        let journal = Journal::open(folder.path()).unwrap();
        upload(&store, &journal, parts, false).await.unwrap_or_else(|error| panic!("{error:?}"));
        store.read_proven(&job, "backups/large", whole.len() as u64, Sha256::of(&whole), |_| Ok(())).await.unwrap();
    });
    assert_eq!(proxy.calls().iter().filter(|call| completes(call)).count(), 2);
}

/// The variables are about the cloud; the way there is that of `[store]`, as for every store.
#[test]
fn the_way_to_a_cloud_is_the_one_that_is_configured() {
    let (shop, folder) = (fixtures::small(Major::V15), TempDir::new().unwrap());
    for (stand, port) in
        [(Stand::Azure, Azurite::shared().port()), (Stand::Google, Lookalike::shared(lookalikes::Kind::Moto).port())]
    {
        let (place, proxy) = (stand.place(), Proxy::to(SocketAddr::from(([127, 0, 0, 1], port))));
        let file = folder.path().join("lifeboat.toml");
        let lines = format!("url = \"{}\"\nproxy = \"env:WAY_OUT\"\nbandwidth = \"64MiB/s\"\n", place.url);
        std::fs::write(&file, format!("[store]\n{lines}")).unwrap();
        let lifeboat = || {
            let lifeboat = Lifeboat::new().envs(place.environment.clone()).env("LIFEBOAT_CONFIG", &file);
            lifeboat.env("WAY_OUT", proxy.endpoint())
        };
        lifeboat().arg("backup").of(&shop).run().expect(0);
        let backed_up = proxy.calls().len();
        assert!(backed_up > 0, "{stand:?}: nothing went through the proxy");
        lifeboat().args(["verify", "shop/latest"]).run().expect(0);
        assert!(proxy.calls().len() > backed_up, "{stand:?}: nothing came through the proxy");
        proxy.unplug();
        lifeboat().arg("list").env("LIFEBOAT_RETRY_FOR", "1s").run().expect(75);
    }
}

#[test]
fn a_key_is_rotated_and_its_wraps_are_deleted() {
    let shop = fixtures::small(Major::V15);
    for stand in CLOUDS {
        let (place, folder) = (stand.place(), TempDir::new().unwrap());
        let ring = folder.path().join("keyring.toml");
        let add = |id: &str, time: &str| {
            let (id, time) = (id.parse().unwrap(), time.parse().unwrap());
            Keyring::edit(&ring, |ring| ring.add(&id, KeyKind::Aes256, true, time)).unwrap();
        };
        let keyring = format!("file:{}", ring.display());
        let rotate = |arguments: &[&str]| {
            let rotate = place.lifeboat().args(["rotate", "backups"]).args(arguments).args(["--keyring", &keyring]);
            rotate.args(["--store", &place.url]).state_dir(folder.path()).run().expect(0)
        };
        add("old", "2026-01-01T00:00:00Z");
        place.lifeboat().args(["backup", "--keyring", &keyring]).of(&shop).run().expect(0);
        add("new", "2026-02-01T00:00:00Z");
        rotate(&["rewrap"]);
        let wraps = |id: &str| {
            let names =
                run(async { place.store().list(&job(), "").await.unwrap() }).into_iter().map(|found| found.name);
            names.filter(|name| name.ends_with(&format!("/keys/{id}.json"))).count()
        };
        let before = wraps("old");
        assert!(before > 0 && wraps("new") == before, "{stand:?}: {before}");
        rotate(&["retire", "--from", "old", "--yes"]);
        assert_eq!((wraps("old"), wraps("new")), (0, before), "{stand:?}");
        place.lifeboat().args(["verify", &format!("{}/latest", lifeboat::NAME), "--keyring", &keyring]).run().expect(0);
    }
}
