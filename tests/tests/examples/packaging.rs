//! What `packaging/` gives a host that has nothing yet, and what docs/drill.md tells to do with it.

use std::fs;

use lifeboat_tests::{Lifeboat, scratch};
use tempfile::TempDir;

fn file(name: &str) -> String {
    fs::read_to_string(scratch::workspace().join(name)).unwrap()
}

/// Lines of TOML that stand in comments, but those that are to be filled in.
fn uncommented(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("# ") else { return line };
    let key = rest.split(" = ").next().unwrap();
    let is_key = rest.contains(" = ") && key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    if (is_key || rest.starts_with('[')) && !rest.contains('…') { rest } else { line }
}

#[test]
fn the_example_configuration_is_read_with_all_that_it_has_in_comments() {
    let example = file("packaging/systemd/lifeboat.toml.example");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lifeboat.toml");
    for whole in [false, true] {
        let lines = example.lines().map(|line| if whole { uncommented(line) } else { line });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let shown = Lifeboat::new().args(["config", "show", "--config"]).arg(&path).run().expect(0).stdout;
        for words in ["rto = \"2h\"", "dir = \"/srv/drills\"", "orders are fresh", "shop-smoke-test", "ledger"] {
            assert_eq!(shown.contains(words), whole, "{words}: {shown}");
        }
    }
}

#[test]
fn the_monthly_recipe_brings_all_that_its_unit_names() {
    let (page, unit) = (file("docs/drill.md"), file("packaging/systemd/lifeboat-drill.service"));
    let recipe = page.split("## Every month").nth(1).unwrap().split("\n## ").next().unwrap();
    let secrets = unit.lines().filter_map(|line| line.trim_start_matches("# ").strip_prefix("LoadCredential="));
    let files: Vec<_> = secrets.map(|secret| secret.rsplit_once('/').unwrap().1.to_owned()).collect();
    assert_eq!(files, ["drill-store-key-id", "drill-store-secret-key", "keyring.toml"]);
    let variable = unit.lines().find_map(|line| line.strip_prefix("# Environment=")).unwrap().to_owned();
    let others =
        ["target/release/lifeboat-drill", "systemd-sysusers", "/etc/lifeboat/lifeboat.toml"].map(str::to_owned);
    for needed in files.into_iter().chain([variable]).chain(others) {
        assert!(recipe.contains(&needed), "{needed} is not in the recipe");
    }
    let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
    assert!(file("packaging/sysusers.d/lifeboat.conf").contains(&format!("u {user} ")));
}
