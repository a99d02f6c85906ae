//! The canary: no key gets out of a rotation, neither one that wraps nor one that was wrapped.

use std::fs;

use lifeboat_core::keys::Wrap;
use lifeboat_core::store::layout;
use lifeboat_tests::canary::Canary;
use lifeboat_tests::{made, run};

use crate::world::{World, whole_files};

/// Every secret there is: the keyring's, and the data keys of all backups.
fn secrets(world: &World) -> Vec<Canary> {
    let text = fs::read_to_string(&world.keyring).unwrap();
    let digits = text.lines().filter_map(|line| line.strip_prefix("secret = \"")?.strip_suffix('"'));
    let mut secrets: Vec<_> =
        digits.map(|digits| Canary::new(&hex::decode(digits).unwrap().try_into().unwrap())).collect();
    let keys = world.opens(&["old", "new"]).keys;
    for (name, bytes) in world.files("a") {
        let Some((path, object)) = layout::BackupPath::parse(&name) else { continue };
        let Some(id) = layout::wrapped_under(object) else { continue };
        let wrap = Wrap::parse(&bytes, path.id.as_str(), &id).unwrap();
        let key = keys.iter().find(|key| *key.id() == id).unwrap();
        secrets.push(Canary::of_data_key(&run(key.unwrap(&wrap)).unwrap()));
    }
    secrets
}

fn assert_clean(place: &str, bytes: &[u8], keys: &[Canary]) {
    assert!(!keys.iter().any(|key| key.is_in(bytes)), "a key in {place}");
}

#[test]
fn no_key_gets_out_of_any_command_whether_it_succeeds_or_fails() {
    let world = World::with_backups(3);
    run(made::backup(&world.store("a"), &made::path(20), &made::LENGTHS, None)).unwrap();
    let lines = [
        ("status", 0),
        ("plan", 0),
        ("verify", 12),
        ("retire --from old --yes", 40),
        ("rewrap", 0),
        ("rewrap --json", 0),
        ("verify --json", 0),
        ("retire --from new --yes", 40),
        ("retire --from old --json", 0),
        ("reencrypt --from old --json", 0),
        ("reencrypt --from new --yes", 40),
        ("reencrypt --from old --allow-unencrypted --yes", 0),
        ("retire --from old --yes --force", 0),
        ("rewrap --to nobody", 12),
        ("status --json", 0),
    ];
    let mut known = secrets(&world);
    for (line, code) in lines {
        let told = world.rotate(line).arg("-vvv").run().expect(code);
        known.extend(secrets(&world));
        assert_clean(&format!("what `{line}` says"), told.text().as_bytes(), &known);
    }
    for folder in ["a", "state"] {
        for (name, bytes) in whole_files(&world.path(folder)) {
            assert_clean(&format!("{folder}/{name}"), &bytes, &known);
        }
    }
    assert!(known.len() > 20);
}
