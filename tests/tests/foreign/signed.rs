//! Files that gpg signed before it encrypted them, and files that it did not protect.

use std::path::Path;
use std::process::Command;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, end_agent, gpg_home, gzip, plain, through};
use lifeboat_tests::{Major, Outcome, fixtures, unused_name};

use crate::world::{refused, restore, said};

/// What gpg makes of these bytes, in this home and by these options.
fn sealed(home: &Path, options: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home).args(["--batch", "--quiet", "--trust-model", "always"]);
    command.args(["--pinentry-mode", "loopback", "--passphrase", PASSPHRASE]);
    through(command.args(options).args(["--output", "-"]), input)
}

/// Everything that was warned of.
fn warnings(outcome: &Outcome) -> String {
    let records = outcome.records().into_iter();
    records.filter(|record| record["schema"] == "lifeboat/warning/v1").map(|record| record.to_string()).collect()
}

/// The home of whoever signs.
fn signer() -> tempfile::TempDir {
    let home = tempfile::TempDir::new().unwrap();
    let options = ["--passphrase", "", "--quick-generate-key", "night@example.org", "ed25519", "sign", "never"];
    let mut make = Command::new("gpg");
    make.arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
    through(make.args(options), b"");
    home
}

/// The keys of one home become known in another.
fn introduce(from: &Path, to: &Path) {
    let keys = through(Command::new("gpg").arg("--homedir").arg(from).args(["--batch", "--quiet", "--export"]), b"");
    through(Command::new("gpg").arg("--homedir").arg(to).args(["--batch", "--quiet", "--import"]), &keys);
}

const UNCHECKED: &str = "the file is signed, too, and nobody looked by whom";

#[test]
fn a_file_that_is_signed_and_opened_by_a_passphrase_comes_back_and_is_told_to_be_unchecked() {
    let (shop, shelf, signer) = (fixtures::small(Major::V15), Shelf::new(), signer());
    let bytes = sealed(signer.path(), &["--sign", "--symmetric"], &gzip(&plain(&shop)));
    end_agent(signer.path());
    let database = shop.server.adopt(&unused_name("signed"));
    let file = shelf.put("shop.sql.gz.gpg", &bytes);
    let outcome = restore(&file, shop.server, &database.name).arg("--create").run().expect(0);
    assert_same_but_settings(&shop, &database);
    assert!(warnings(&outcome).contains(UNCHECKED), "{}", outcome.text());

    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 0x20;
    for damaged in [&changed[..], &bytes[..bytes.len() - 9], &[&bytes[..], b"and more"].concat()] {
        refused(&shelf.put("damaged", damaged), shop.server, 30, &[]);
    }
}

#[test]
fn a_signature_of_a_signer_who_is_known_is_checked() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let (signer, reader) = (signer(), gpg_home());
    introduce(reader.path(), signer.path());
    let options = ["--local-user", "night@example.org", "--recipient", "drill@example.org", "--sign", "--encrypt"];
    let file = shelf.put("shop.gpg", &sealed(signer.path(), &options, &gzip(&plain(&shop))));
    let restored = || {
        let database = shop.server.adopt(&unused_name("signed"));
        let command = restore(&file, shop.server, &database.name).arg("--create");
        let outcome = command.env("GNUPGHOME", reader.path()).run().expect(0);
        assert_same_but_settings(&shop, &database);
        warnings(&outcome)
    };
    assert!(restored().contains(UNCHECKED));
    introduce(signer.path(), reader.path());
    assert!(!restored().contains(UNCHECKED));
    end_agent(signer.path());
    end_agent(reader.path());
}

/// As gpg 1 and 2.0 made them by themselves, until 2018 and later.
#[test]
fn a_file_that_gpg_did_not_protect_is_told_from_a_damaged_one_with_the_way_to_open_it() {
    let (shop, shelf, home) = (fixtures::small(Major::V15), Shelf::new(), tempfile::TempDir::new().unwrap());
    let sql = gzip(&plain(&shop));
    let bytes = sealed(home.path(), &["--rfc2440", "--cipher-algo", "CAST5", "--symmetric"], &sql);
    let file = shelf.put("old.gpg", &bytes);
    let outcome = refused(&file, shop.server, 40, &[]);
    assert!(said(&outcome).contains("gpg -d --ignore-mdc-error FILE | lifeboat"), "{}", outcome.text());
    refused(&shelf.put("cut.gpg", &bytes[..bytes.len() - 100]), shop.server, 30, &[]);

    let opened = sealed(home.path(), &["--ignore-mdc-error", "--decrypt"], &bytes);
    end_agent(home.path());
    let database = shop.server.adopt(&unused_name("unprotected"));
    restore(&shelf.put("opened", &opened), shop.server, &database.name).arg("--create").run().expect(0);
    assert_same_but_settings(&shop, &database);
}
