//! Tokens: those that Azure's account signed for a container (SAS), and those that a key of Google's signs for itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lifeboat_tests::servers::azurite::{Azurite, CONTAINER};
use lifeboat_tests::servers::lookalikes::{Kind, Lookalike};
use lifeboat_tests::{Lifeboat, Major, Proxy, fixtures, unused_name};
use serde_json::json;
use tempfile::TempDir;

use crate::stand::Place;

/// The same place for whoever has such a token.
fn holder(prefix: &str, permissions: &str, expiry: &str) -> Place {
    let token = Azurite::token(permissions, expiry);
    Place::at(format!("az://{CONTAINER}/{prefix}"), Azurite::shared().by_token(&token))
}

const LATER: &str = "2099-01-01T00:00:00Z";

#[test]
fn a_token_that_may_all_is_as_good_as_the_accounts_key() {
    let (shop, everything) = (fixtures::small(Major::V15), holder(&unused_name("token"), "racwdl", LATER));
    everything.lifeboat().arg("backup").of(&shop).run().expect(0);
    everything.lifeboat().args(["verify", "shop/latest"]).run().expect(0);
    let tested = everything.lifeboat().args(["store", "test"]).run().expect(0);
    assert!(!tested.stdout.contains("denied"), "{}", tested.stdout);
}

#[test]
fn a_token_that_may_only_write_is_enough_to_back_up_and_shows_nothing() {
    let (shop, prefix) = (fixtures::small(Major::V15), unused_name("token"));
    let (writer, reader) = (holder(&prefix, "cw", LATER), holder(&prefix, "rl", LATER));
    writer.lifeboat().arg("backup").of(&shop).run().expect(0);
    let refused = writer.lifeboat().arg("list").run().expect(78);
    assert!(refused.stderr.contains("AuthorizationPermissionMismatch"), "{}", refused.stderr);
    writer.lifeboat().args(["store", "test", "--expect", "write-only"]).run().expect(0);
    reader.lifeboat().args(["verify", "shop/latest"]).run().expect(0);
    reader.lifeboat().args(["store", "test", "--expect", "read-only"]).run().expect(0);
    reader.lifeboat().arg("backup").of(&shop).run().expect(78);
}

#[test]
fn a_token_that_is_over_or_wrong_is_told_of_and_never_repeated() {
    let prefix = unused_name("over");
    let over = holder(&prefix, "rl", "2020-01-01T00:00:00Z");
    let wrong = Azurite::token("rl", LATER).replace("sp=rl", "sp=rwl");
    let wrong = Place::at(over.url.clone(), Azurite::shared().by_token(&wrong));
    for place in [over, wrong] {
        let refused = place.lifeboat().args(["list", "-vvv"]).run().expect(78);
        assert!(refused.stderr.contains("or give a token that is still valid"), "{}", refused.stderr);
        let (_, signature) = place.environment.last().unwrap().1.split_once("&sig=").unwrap();
        for part in [signature, &signature[..20]] {
            assert!(!refused.text().contains(part), "{}", refused.text());
        }
    }
}

/// The key of a service account, as Google hands it out.
struct ServiceAccount(TempDir);

impl ServiceAccount {
    fn new() -> ServiceAccount {
        let account = ServiceAccount(TempDir::new().unwrap());
        assert!(account.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"));
        assert!(account.openssl("pkey -in key.pem -pubout -out public.pem"));
        let email = "backup@shop.iam.gserviceaccount.example";
        let key = json!({"private_key": account.private_key(), "private_key_id": "7f3a9c", "client_email": email});
        std::fs::write(account.file(), key.to_string()).unwrap();
        account
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("account.json")
    }

    fn private_key(&self) -> String {
        std::fs::read_to_string(self.0.path().join("key.pem")).unwrap()
    }

    /// Whether this is a token of its own that its key signed.
    fn signed(&self, token: &str) -> bool {
        let Some((text, signature)) = token.rsplit_once('.') else { return false };
        let write = |name: &Path, bytes: &[u8]| std::fs::write(self.0.path().join(name), bytes).unwrap();
        write("text".as_ref(), text.as_bytes());
        write("signature".as_ref(), &URL_SAFE_NO_PAD.decode(signature).unwrap());
        let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1).unwrap();
        let claims = String::from_utf8(claims).unwrap();
        claims.contains("backup@shop.iam") && self.openssl("dgst -sha256 -verify public.pem -signature signature text")
    }

    fn openssl(&self, arguments: &str) -> bool {
        Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap().status.success()
    }
}

#[test]
fn a_key_of_a_service_account_signs_its_own_tokens_and_goes_nowhere() {
    let (shop, account, moto) = (fixtures::small(Major::V15), ServiceAccount::new(), Lookalike::shared(Kind::Moto));
    let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], moto.port())));
    let backup = Lifeboat::new().args(["backup", "-vvv", "--store", &format!("gs://{}/prod", moto.bucket())]).of(&shop);
    let backup = backup.env("GOOGLE_BASE_URL", proxy.endpoint()).env("GOOGLE_ALLOW_HTTP", "true");
    let told = backup.env("GOOGLE_SERVICE_ACCOUNT", account.file()).run().expect(0);
    let calls = proxy.calls();
    assert!(!calls.is_empty());
    for call in &calls {
        let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap();
        assert!(account.signed(token), "{call:?}");
        assert!(!told.text().contains(token.rsplit('.').next().unwrap()), "{}", told.text());
    }
    let secret = account.private_key().lines().nth(1).unwrap().to_owned();
    assert!(!told.text().contains(&secret), "{}", told.text());
}
