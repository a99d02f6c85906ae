use super::super::{ColumnConfig, Environment, Flags, RotateFlags};
use super::{load, problems};

const COLUMNS: &str = r#"
[[database]]
name = "shop"

[[database]]
name = "ledger"

[rotate]
old = "env:OLD"
new = "file:/etc/app/new.key"
key_format = "scrypt(N=16384, r=8, p=1)"
mode = "staged"
pause = "1s"

[[rotate.column]]
database = "shop"
table = "app.tokens"
column = "secret"
layout = "base64( iv  tag ct )"
key_columns = ["tenant", "id"]
aad = "{table}.{column}:{id}"

[[rotate.column]]
database = "ledger"
table = "vault"
layout = "columns{ct: bytes(ct tag), iv: bytes(iv)}"
key_format = "hex"
new_id = "2026-12"
"#;

#[test]
fn encrypted_columns_are_read_and_what_is_shown_is_read_again() {
    let config = load(COLUMNS, Flags::default(), &Environment::default()).unwrap();
    let shown = config.show();
    for line in
        ["table = \"app.tokens\"", "layout = \"base64(iv tag ct)\"", "[rotate]", "old = \"env:OLD\"", "pause = \"1s\""]
    {
        assert!(shown.contains(line), "{line} in:\n{shown}");
    }
    let again = load(&shown, Flags::default(), &Environment::default()).unwrap();
    assert_eq!(again.rotate.columns.len(), 2, "{shown}");
    let (one, two) = (&again.rotate.columns[0], &again.rotate.columns[1]);
    assert_eq!((one.name(), two.name()), ("app.tokens.secret".to_owned(), "public.vault.ct+iv".to_owned()));
    assert_eq!(two.keys.or(&again.rotate.keys).key_format.unwrap().value.to_string(), "hex");
    assert!(one.keys.or(&again.rotate.keys).new.is_some());
}

#[test]
fn what_is_wrong_with_a_column_is_told_at_its_line() {
    let text = COLUMNS
        .replace("column = \"secret\"\n", "")
        .replace("database = \"ledger\"\n", "")
        .replace("iv  tag ct", "iv ct");
    let found = problems(
        &(text + "\n[[rotate.column]]\ntable = \"vault\"\nlayout = \"columns{ct: bytes(ct tag), iv: bytes(iv)}\"\n"),
    );
    for part in ["the layout has no `tag`", "several", "a second time"] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
    }
    let neither = problems("[[rotate.column]]\ntable = \"t\"\nlayout = \"base64(iv tag ct)\"\n");
    assert!(neither[0].contains("which column has this layout"), "{neither:?}");
    let inline = problems("[rotate]\nnew = \"hunter2\"\n");
    assert!(inline[0].contains("a secret stands here") && !inline.concat().contains("hunter2"), "{inline:?}");
}

#[test]
fn an_operators_program_gets_the_new_key_of_columns_and_no_other_secret() {
    let text = r#"
[store]
url = "s3://bucket"
proxy = "env:WAY"

[encryption]
keyring = "env:RING"

[rotate]
old = "env:OLD"
new = "env:NEW"

[[database]]
name = "shop"
url = "env:SHOP"

[[rotate.column]]
table = "tokens"
column = "secret"
layout = "hex(iv ct tag)"
old = "env:OLDER"
new = "env:OLD_OF_ANOTHER"

[[rotate.column]]
table = "vault"
column = "secret"
layout = "hex(iv ct tag)"
old = "env:OLD_OF_ANOTHER"
"#;
    let names = ["WAY", "RING", "OLD", "OLDER", "SHOP", "NEW", "OLD_OF_ANOTHER", "HOME"];
    let environment = Environment::from(names.map(|name| (name, "x")));
    let config = load(text, Flags::default(), &environment).unwrap();
    let seen = environment.for_operators_program(&config.secret_variables());
    assert_eq!(seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["HOME", "NEW", "OLD_OF_ANOTHER"]);
}

#[test]
fn a_column_of_the_command_line_stands_alone() {
    let flags =
        RotateFlags { table: Some("other"), column: Some("c"), layout: Some("hex(iv ct tag)"), ..Default::default() };
    let config = load(COLUMNS, Flags { rotate: flags, ..Flags::default() }, &Environment::default()).unwrap();
    assert_eq!(config.rotate.columns.iter().map(ColumnConfig::name).collect::<Vec<_>>(), ["public.other.c"]);
    let lone = RotateFlags { column: Some("c"), ..Default::default() };
    let found = load(COLUMNS, Flags { rotate: lone, ..Flags::default() }, &Environment::default()).unwrap_err();
    assert_eq!(found.lines(), ["--column: --column needs --table"]);
}
