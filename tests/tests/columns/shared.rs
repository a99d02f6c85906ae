//! Two values that share what a rotation replaces: an IV, or the id of their key.

use std::sync::{Arc, Mutex};

use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_core::{Job, Kind};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::sweep::{self, Mode, Target};
use lifeboat_tests::{Major, run};
use tokio_util::sync::CancellationToken;

use crate::world::{OLD, World, encrypted, job, keyring, mode, small};

const LOGIN: &str = "columns{login: base64(ct tag), nonce: hex(iv)}";
const PASSWORD: &str = "columns{password: base64(ct tag), nonce: hex(iv)}";

/// Logins with their nonces; the passwords of some are encrypted with the same ones.
fn logins(columns: &str) -> World<'static> {
    let mut world = World::new(Major::V18, columns);
    of(&mut world.target, LOGIN);
    let old = keyring(&world.target, OLD);
    for id in 0..30 {
        let stored = old.encrypt(b"the same for both", b"").unwrap().into_columns();
        let [login, nonce] = stored.iter().map(|column| str::from_utf8(column).unwrap()).collect::<Vec<_>>()[..] else {
            panic!("two columns")
        };
        world.database.psql(&format!("INSERT INTO secrets (id, login, nonce) VALUES ({id}, '{login}', '{nonce}')"));
    }
    world
}

fn of(target: &mut Target, layout: &str) {
    (target.column, target.layout) = (None, layout.parse().unwrap());
}

/// Keeps what is warned of.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Monitor for Warnings {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

/// What a run that ends well warns of.
fn warned(world: &World) -> String {
    let heard = Arc::new(Warnings::default());
    let job = Job::new(heard.clone(), CancellationToken::new());
    assert!(run(sweep::run(&world.settings(), world.targets(), &small(), &job)).unwrap().is_clean());
    heard.0.lock().unwrap().join("; ")
}

/// Keys that are made of the password and a salt in each value.
fn salt(target: &mut Target) {
    let mut keys = (*target.keys).clone();
    for key in [&mut keys.old, &mut keys.new] {
        key.format = "pbkdf2(hash=sha256, iterations=10)".parse().unwrap();
    }
    target.keys = Arc::new(keys);
}

/// A row of what the target's columns hold for a secret.
fn insert(world: &World, columns: &str) {
    let key = world.target.keys.old.derive().unwrap();
    let stored =
        Keyring::new(world.target.layout.clone(), key).unwrap().encrypt(b"a secret", b"").unwrap().into_columns();
    let values: Vec<_> = stored.iter().map(|column| format!("'{}'", str::from_utf8(column).unwrap())).collect();
    world.database.psql(&format!("INSERT INTO secrets (id, {columns}) VALUES (1, {})", values.join(", ")));
}

fn contents(world: &World) -> String {
    world.database.psql("SELECT string_agg(t::text, ' ' ORDER BY id) FROM secrets t")
}

#[test]
fn an_iv_that_another_column_is_encrypted_with_as_well_is_not_replaced() {
    let mut world = logins("id int PRIMARY KEY, note text DEFAULT 'x', login text, password text, nonce text");
    world.database.psql("UPDATE secrets SET password = login WHERE id % 10 = 7");
    let before = contents(&world);
    for (layout, other) in [(LOGIN, "password"), (PASSWORD, "login")] {
        of(&mut world.target, layout);
        let expected = format!("{other} of public.secrets opens with the IV in nonce");
        for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
            let error = world.run(&mode(asked)).unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
            assert!(error.help().unwrap().contains(&expected), "{:?}", error.help());
        }
        assert!(world.plan().refusals().any(|refusal| refusal.contains(&expected)));
    }
    let mut targets = [world.target.clone(), world.target.clone()];
    of(&mut targets[0], LOGIN);
    let error = run(sweep::run(&world.settings(), &targets, &small(), &job())).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.to_string().ends_with("which both write nonce"), "{error}");
    assert_eq!(contents(&world), before);
}

#[test]
fn an_iv_is_not_taken_from_values_of_any_length() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, login text, password text, nonce text");
    of(&mut world.target, LOGIN);
    let long = "a long document, ".repeat(20_000);
    let stored = keyring(&world.target, OLD).encrypt(long.as_bytes(), b"").unwrap().into_columns();
    let [login, nonce] = stored.iter().map(|column| str::from_utf8(column).unwrap()).collect::<Vec<_>>()[..] else {
        panic!("two columns")
    };
    world.database.psql(&format!("INSERT INTO secrets VALUES (1, 'x', '{login}', '{nonce}'), (2, 'y', NULL, NULL)"));
    let expected = "password of public.secrets opens with the IV in nonce";
    assert!(world.plan().refusals().any(|refusal| refusal.contains(expected)), "{:?}", world.plan());
    world.database.psql("UPDATE secrets SET password = repeat(password, 50)");
    let told = world.plan().targets.remove(0).remarks;
    assert!(
        told.iter().any(|remark| remark.starts_with("whether password is encrypted with nonce was not looked at: all")),
        "{told:?}"
    );
}

#[test]
fn an_iv_that_another_column_goes_by_since_the_rotation_began_is_not_taken_back_before_that_one_was_moved() {
    let world = logins("id int PRIMARY KEY, login text, password text, nonce text");
    world.run_to_the_end(&small());
    world.database.psql("UPDATE secrets SET password = login WHERE id = 7");
    let before = contents(&world);
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.help().unwrap().contains("move password out of public.secrets"), "{:?}", error.help());
    assert!(world.plan().refusals().any(|refusal| refusal.contains("move password out of public.secrets")));
    assert_eq!(contents(&world), before);
    world.database.psql("UPDATE secrets SET password = NULL");
    assert!(world.rollback(&small()).unwrap().is_clean());
}

#[test]
fn a_table_too_wide_to_try_every_two_of_its_columns_is_told() {
    let more: Vec<_> = (0..75).map(|n| format!("c{n} text DEFAULT md5('x{n}')")).collect();
    let mut world =
        World::new(Major::V18, &format!("id int PRIMARY KEY, ct text, tag text, nonce text, {}", more.join(", ")));
    of(&mut world.target, "columns{ct: hex(ct), tag: hex(tag), nonce: hex(iv)}");
    insert(&world, "ct, tag, nonce");
    let plan = world.plan();
    assert_eq!(plan.refusals().count(), 0, "{plan:?}");
    assert!(plan.targets[0].remarks.iter().any(|remark| remark.contains("too many")), "{plan:?}");
    let warned = warned(&world);
    assert!(warned.contains("was tried with nonce, as there are too many"), "{warned}");
}

#[test]
fn where_each_value_has_a_salt_of_its_own_fewer_are_tried_and_that_is_told() {
    let more: Vec<_> = (0..70).map(|n| format!("c{n} text DEFAULT repeat(md5('x{n}'), 3)")).collect();
    let columns = format!("id int PRIMARY KEY, value text, nonce text, {}", more.join(", "));
    let mut world = World::new(Major::V18, &columns);
    of(&mut world.target, "columns{value: hex(salt/16 ct tag), nonce: hex(iv)}");
    salt(&mut world.target);
    insert(&world, "value, nonce");
    let warned = warned(&world);
    assert!(warned.contains("was tried with nonce, as there are too many"), "{warned}");
}

#[test]
fn where_the_values_of_a_row_have_one_salt_as_many_are_tried_as_without() {
    let more: Vec<_> = (0..11).map(|n| format!("c{n} text DEFAULT md5('x{n}')")).collect();
    let columns = format!(
        "id int PRIMARY KEY, ct text, tag text, salt text, nonce text, {}, other_ct text, other_tag text",
        more.join(", ")
    );
    let mut world = World::new(Major::V18, &columns);
    of(&mut world.target, "columns{ct: hex(ct), tag: hex(tag), salt: hex(salt/16), nonce: hex(iv)}");
    salt(&mut world.target);
    insert(&world, "ct, tag, salt, nonce");
    world.database.psql("UPDATE secrets SET other_ct = ct, other_tag = tag");
    let error = world.run(&small()).unwrap_err();
    let expected = "other_ct of public.secrets opens with the IV in nonce";
    assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(expected), "{}", error.chain());
}

#[test]
fn an_iv_that_a_value_beside_it_has_a_copy_of_is_its_own() {
    let world = logins("id int PRIMARY KEY, login text, nonce text, former text, former_nonce text");
    world.database.psql("UPDATE secrets SET former = login, former_nonce = nonce");
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean() && summary.targets[0].counts.rotated == 30, "{summary:?}");
    let old = keyring(&world.target, OLD);
    let opens = |line: &str| {
        let (former, nonce) = line.split_once('|').unwrap();
        old.open(&[Some(former.as_bytes()), Some(nonce.as_bytes())], b"").is_ok()
    };
    assert!(world.database.psql("SELECT former, former_nonce FROM secrets").lines().all(opens));
}

#[test]
fn strings_of_a_document_that_share_an_iv_are_not_rotated() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value jsonb");
    world.target.layout = "json{smtp.login: hex(ct tag), smtp.iv: hex(iv)}".parse().unwrap();
    for id in 0..5 {
        let value = encrypted(&keyring(&world.target, OLD), "the same for both");
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{value}')"));
    }
    world
        .database
        .psql("UPDATE secrets SET value = jsonb_set(value, '{smtp,password}', value #> '{smtp,login}') WHERE id = 3");
    let before = contents(&world);
    let error = world.run(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("smtp.password of public.secrets opens with"), "{}", error.chain());
    assert_eq!(contents(&world), before);
}

/// Documents `{"iv", "login"}` whose login is encrypted with that IV; `also` adds to them.
fn documents(also: &str) -> World<'static> {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value jsonb, other jsonb, note text");
    world.target.layout = "json{login: hex(ct tag), iv: hex(iv)}".parse().unwrap();
    for id in 0..3 {
        let value = encrypted(&keyring(&world.target, OLD), "the same for both");
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{value}')"));
    }
    world.database.psql(&format!("UPDATE secrets SET {also} WHERE id = 1"));
    world
}

#[test]
fn an_iv_in_a_document_is_not_taken_from_what_lies_anywhere_else_in_the_row() {
    let many = "(SELECT jsonb_object_agg('option_' || n, 'value ' || n) FROM generate_series(100, 180) n)";
    let behind = format!("value = value || {many} || jsonb_build_object('wallet', value -> 'login')");
    let before = format!(
        "value = value - 'iv' - 'login' || {many} || jsonb_build_object('login', value -> 'login', 'iv', value -> 'iv', 'wallet', value -> 'login')"
    );
    let in_array = "value = value || jsonb_build_object('accounts', jsonb_build_array('x', jsonb_build_object('token', value -> 'login')))";
    let cases = [
        (behind.as_str(), "value.wallet"),
        (&before, "value.wallet"),
        (in_array, "value.accounts[].token"),
        ("other = jsonb_build_object('deep', jsonb_build_object('token', value -> 'login'))", "other.deep.token"),
        ("other = jsonb_build_array(value -> 'login')", "other[]"),
        ("note = value ->> 'login'", "note"),
    ];
    for (also, place) in cases {
        let world = documents(also);
        let before = contents(&world);
        let expected = format!("{place} of public.secrets opens with the IV in value.iv");
        assert!(world.plan().refusals().any(|refusal| refusal.contains(&expected)), "{place}: {:?}", world.plan());
        let error = world.run(&small()).unwrap_err();
        assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(&expected), "{}", error.chain());
        assert_eq!(contents(&world), before);
    }
}

#[test]
fn an_iv_is_not_taken_from_what_lies_in_a_column_of_a_type_that_no_layout_reads() {
    let world = logins("id int PRIMARY KEY, login text, nonce text, passwords text[]");
    world.database.psql("UPDATE secrets SET passwords = ARRAY['x', login] WHERE id = 7");
    let expected = "passwords of public.secrets opens with the IV in nonce";
    assert!(world.plan().refusals().any(|refusal| refusal.contains(expected)), "{:?}", world.plan());
    let error = world.run(&small()).unwrap_err();
    assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(expected), "{}", error.chain());
}

#[test]
fn a_copy_of_the_iv_inside_an_array_is_none_of_another_column() {
    let columns = "id int PRIMARY KEY, login text, password text, nonce text, history text[], documents jsonb[]";
    for also in ["history = ARRAY['x', nonce]", "documents = ARRAY[jsonb_build_object('nonce', nonce, 'of', 'x')]"] {
        let world = logins(columns);
        world.database.psql(&format!("UPDATE secrets SET password = login, {also} WHERE id = 7"));
        let error = world.run(&small()).unwrap_err();
        let expected = "password of public.secrets opens with the IV in nonce";
        assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(expected), "{}", error.chain());
    }
    let world = logins(columns);
    world.database.psql("UPDATE secrets SET history = ARRAY[login, nonce] WHERE id = 7");
    assert!(world.run(&small()).unwrap().is_clean());
}

#[test]
fn a_copy_of_the_iv_in_one_element_of_an_array_is_none_of_the_next() {
    let world = documents(
        "value = value || jsonb_build_object('accounts', jsonb_build_array(
            jsonb_build_object('iv', value -> 'iv'), jsonb_build_object('token', value -> 'login')))",
    );
    let error = world.run(&small()).unwrap_err();
    let expected = "value.accounts[].token of public.secrets opens with the IV in value.iv";
    assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(expected), "{}", error.chain());
}

#[test]
fn a_history_that_has_the_iv_as_well_stands_in_no_documents_way() {
    let world = documents("value = value || jsonb_build_object('history', jsonb_build_array(value))");
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean() && summary.targets[0].counts.rotated == 3, "{summary:?}");
}

#[test]
fn a_history_of_documents_with_iv_and_ciphertext_in_objects_of_their_own_stands_in_no_way() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value jsonb, previous jsonb");
    world.target.layout = "json{header.iv: hex(iv), body.ct: hex(ct tag)}".parse().unwrap();
    world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{}')", world.encrypted(OLD, "a secret")));
    world.database.psql(
        "UPDATE secrets SET previous = value, value = value || jsonb_build_object('history', jsonb_build_array(value))",
    );
    assert!(world.run(&small()).unwrap().is_clean());
}

/// Values whose IVs lie in documents beside them; `also` adds to them.
fn with_documents(also: &str) -> World<'static> {
    let columns = "id int PRIMARY KEY, meta jsonb, value text, previous_value text, previous_meta jsonb, history jsonb";
    let mut world = World::new(Major::V18, columns);
    of(&mut world.target, "columns{value: hex(ct tag), meta: json{iv: hex(iv)}}");
    insert(&world, "value, meta");
    world.database.psql(&format!("UPDATE secrets SET {also}"));
    world
}

#[test]
fn an_iv_in_a_document_beside_the_ciphertexts_column_is_not_taken_from_the_documents_own_strings() {
    for also in ["", ", previous_value = value, previous_meta = meta"] {
        let world = with_documents(&format!("meta = meta || jsonb_build_object('token', value){also}"));
        let before = contents(&world);
        let error = world.run(&small()).unwrap_err();
        let expected = "meta.token of public.secrets opens with the IV in meta.iv";
        assert!(error.help().unwrap().contains(expected), "{}", error.chain());
        assert_eq!(contents(&world), before);
    }
}

#[test]
fn previous_values_with_documents_of_their_own_stand_in_no_way() {
    let whole = "history = jsonb_build_array(jsonb_build_object('value', value, 'meta', meta))";
    for also in ["previous_value = value, previous_meta = meta", whole] {
        let world = with_documents(also);
        let summary = world.run(&small()).unwrap();
        assert!(summary.is_clean() && summary.targets[0].counts.rotated == 1, "{summary:?}");
    }
    let error = with_documents("previous_value = value, previous_meta = '{}'").run(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("previous_value of public.secrets opens"), "{}", error.chain());
}

#[test]
fn an_iv_is_not_taken_from_a_column_that_only_a_child_of_the_table_has() {
    let world = logins("id int PRIMARY KEY, login text, nonce text");
    world.database.psql(
        "CREATE TABLE special (password text, PRIMARY KEY (id)) INHERITS (secrets);
         WITH gone AS (DELETE FROM ONLY secrets WHERE id % 10 = 7 RETURNING *) INSERT INTO special SELECT *, login FROM gone",
    );
    let before = contents(&world);
    let expected = "password of public.special opens with the IV in nonce";
    assert!(world.plan().refusals().any(|refusal| refusal.contains(expected)), "{:?}", world.plan());
    let error = world.run(&small()).unwrap_err();
    assert!(error.kind() == Kind::Policy && error.help().unwrap().contains(expected), "{}", error.chain());
    assert_eq!(contents(&world), before);
}

#[test]
fn two_columns_that_name_their_key_in_one_place_are_not_rotated_one_beside_the_other() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text, second text, key_id text DEFAULT 'k1'");
    let value = encrypted(&keyring(&world.target, OLD), "the same for both");
    world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{value}', '{value}')"));
    let mut keys = (*world.target.keys).clone();
    (keys.old.id, keys.new.id) = (Some("k1".to_owned()), Some("k2".to_owned()));
    world.target.keys = Arc::new(keys);
    of(&mut world.target, "columns{value: base64(iv tag ct), key_id: kid}");
    assert!(world.plan().targets[0].remarks.iter().any(|remark| remark.starts_with("second is under the same keys")));
    world.run(&mode(Mode::Staged)).unwrap();
    of(&mut world.target, "columns{second: base64(iv tag ct), key_id: kid}");
    let refusals = world.plan().refusals().map(str::to_owned).collect::<Vec<_>>();
    assert!(refusals.iter().any(|refusal| refusal.contains("beside the rotation of value+key_id")), "{refusals:?}");
    let error = world.run(&mode(Mode::Staged)).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert_eq!(world.database.psql("SELECT value = second, key_id FROM secrets"), "t|k1");
}
