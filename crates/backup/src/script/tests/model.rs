//! Scripts made from a list of items, so that what the lexer must say is known without a second lexer.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::super::{CopyTarget, SqlName, StatementKind, Statements, Trailer};
use super::{Piece, read_in};

/// Something in a script: its text, and the pieces it must be read as.
#[derive(Clone, Debug)]
struct Item {
    text: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Text made of what is dangerous somewhere.
fn dangerous() -> impl Strategy<Value = String> {
    let bits = vec![
        "'",
        "\"",
        "\\",
        "$",
        "$$",
        "$a$",
        ";",
        "--",
        "/*",
        "*/",
        "\n",
        "\\.\n",
        "COPY x FROM stdin;\n",
        "(",
        ")",
        "E'",
    ];
    let words = vec!["begin atomic", "case", "end", "a", "ß", " ", "\t", "-", "/", "*"];
    vec(proptest::sample::select([bits, words].concat()), 0..8).prop_map(|bits| bits.concat())
}

fn quoted(quote: char) -> impl Strategy<Value = String> {
    dangerous().prop_map(move |text| format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}"))))
}

fn escaped() -> impl Strategy<Value = String> {
    let bits = vec!["\\'", "\\\\", "''", "\\n", ";", "$$", "\"", "--", "x"];
    vec(proptest::sample::select(bits), 0..8).prop_map(|bits| format!("E'{}'", bits.concat()))
}

fn dollar_quoted() -> impl Strategy<Value = String> {
    (proptest::sample::select(vec!["$$", "$a$", "$fn_1$", "$ß$"]), dangerous()).prop_map(|(tag, text)| {
        // A dollar at the end of the text would be read as part of the tag that ends it.
        let text = text.replace(tag, "").replace('$', "$ ").replace(tag, "");
        format!("{tag}{text}{tag}")
    })
}

fn comment() -> impl Strategy<Value = String> {
    let line = dangerous().prop_map(|text| format!("--{}\n", text.replace('\n', "")));
    let block = (dangerous(), dangerous()).prop_map(|(outer, inner)| {
        let [outer, inner] = [outer, inner].map(|text| text.replace(['*', '/'], ""));
        format!("/*{outer}/*{inner}*/{inner}*/")
    });
    prop_oneof![line, block]
}

fn atom() -> impl Strategy<Value = String> {
    let plain =
        vec!["x", "e", "E", "a$b$", "$1", "12", "1.5e3", "-", "/", "*", "::", ",", "begin", "end", "case", "[1]", "ß"];
    prop_oneof![
        proptest::sample::select(plain).prop_map(str::to_owned),
        quoted('\''),
        quoted('"'),
        escaped(),
        dollar_quoted(),
        comment(),
    ]
}

fn group() -> impl Strategy<Value = String> {
    vec(prop_oneof![atom(), Just(";".to_owned())], 0..5).prop_map(|atoms| format!("({})", atoms.join(" ")))
}

fn routine_body() -> impl Strategy<Value = String> {
    let bit =
        vec!["SELECT 1;", "CASE x WHEN 1 THEN CASE y END END;", "';'", "(CASE; END)", "begin", "$$;$$", "/* end */"];
    vec(proptest::sample::select(bit), 0..5).prop_map(|bits| format!("BEGIN ATOMIC {} END", bits.join(" ")))
}

fn statement() -> impl Strategy<Value = Item> {
    let first = vec!["SELECT", "INSERT INTO", "create table", "1", "'x'", "BEGIN", "copying", "\"copy\""];
    let any_statement = (proptest::sample::select(first), vec(prop_oneof![atom(), group()], 0..6))
        .prop_map(|(first, atoms)| format!("{first} {} ;", atoms.join(" ")));
    let routine = routine_body().prop_map(|body| format!("CREATE FUNCTION f() RETURNS int {body} ;"));
    let text = prop_oneof![4 => any_statement, 1 => routine];
    (vec(comment(), 0..2), text).prop_map(|(comments, text)| {
        let text = format!("\n{}{text}", comments.concat()).into_bytes();
        Item { pieces: vec![Piece::Statement(StatementKind::Sql, text.clone())], text }
    })
}

fn meta_command() -> impl Strategy<Value = Item> {
    proptest::sample::select(vec!["\\restrict aB1\n", "\\connect \"a;b\"\n", "\\unrestrict\n"]).prop_map(|line| {
        let text = line.as_bytes().to_vec();
        Item { pieces: vec![Piece::Statement(StatementKind::MetaCommand, text.clone())], text }
    })
}

fn row() -> impl Strategy<Value = Vec<u8>> {
    let bits: Vec<&[u8]> = vec![b"\\", b".", b"\\.", b"\\N", b"\t", b"a", b"\xff", b"'", b"\r", b";"];
    vec(proptest::sample::select(bits), 0..5)
        .prop_map(|bits| bits.concat())
        .prop_filter("ends the rows", |row| row != b"\\.")
}

fn copy() -> impl Strategy<Value = Item> {
    (dangerous(), dangerous(), vec(dangerous(), 0..3), vec(row(), 0..6)).prop_map(|(schema, table, columns, rows)| {
        let quote = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let name = |name: &String| SqlName::new(name.as_bytes());
        let list: Vec<_> = columns.iter().map(quote).collect();
        let list = if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
        let statement = format!("COPY {}.{} {list} FROM stdin;", quote(&schema), quote(&table));
        let target = CopyTarget {
            schema: Some(name(&schema)),
            table: name(&table),
            columns: columns.iter().map(name).collect(),
            statement: statement.clone().into_bytes(),
        };
        let begin = format!("{statement}\n").into_bytes();
        let lines = rows.iter().flat_map(|row| [row, &b"\n"[..]].concat());
        let text = begin.iter().copied().chain(lines).chain(*b"\\.\n").collect();
        let end = Piece::Statement(StatementKind::CopyEnd, b"\\.\n".to_vec());
        Item { text, pieces: vec![Piece::CopyBegin(target, begin), Piece::Rows(rows), end] }
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![4 => statement(), 1 => meta_command(), 2 => copy()]
}

const COMPLETE: &[u8] = b"\n--\n-- PostgreSQL database dump complete\n--\n\n";

proptest! {
    #[test]
    fn a_script_is_read_as_it_was_made(
        items in vec(item(), 0..8),
        complete in any::<bool>(),
        lengths in vec(1_usize..40, 1..10),
    ) {
        let mut script: Vec<u8> = items.iter().flat_map(|item| item.text.clone()).collect();
        script.extend_from_slice(if complete { COMPLETE } else { b"\n" });
        let (pieces, trailer) = read_in(&script, &lengths).unwrap();
        let expected: Vec<_> = items.into_iter().flat_map(|item| item.pieces).collect();
        prop_assert_eq!(pieces, expected);
        prop_assert_eq!(trailer, if complete { Trailer::Database } else { Trailer::Missing });
    }

    #[test]
    fn a_range_in_memory_is_cut_like_a_stream(items in vec(prop_oneof![statement(), meta_command()], 0..8)) {
        let range: Vec<u8> = items.iter().flat_map(|item| item.text.clone()).collect();
        let cut: Vec<_> = Statements::new(&range)
            .map(|statement| statement.map(|statement| Piece::Statement(statement.kind, statement.text.to_vec())))
            .collect::<Result<_, _>>()
            .unwrap();
        prop_assert_eq!(cut, items.into_iter().flat_map(|item| item.pieces).collect::<Vec<_>>());
    }

    #[test]
    fn no_input_panics(script in vec(any::<u8>(), 0..200), text in dangerous(), lengths in vec(1_usize..9, 1..4)) {
        let _ = read_in(&[script, text.into_bytes()].concat(), &lengths);
    }

    #[test]
    fn a_script_cut_anywhere_before_its_trailer_is_not_complete(items in vec(item(), 1..5), at in any::<proptest::sample::Index>()) {
        let script: Vec<u8> = items.into_iter().flat_map(|item| item.text).collect();
        let cut = &[&script[..], COMPLETE].concat()[..at.index(script.len() + 1)];
        prop_assert_eq!(read_in(cut, &[7]).map_or(Trailer::Missing, |(_, trailer)| trailer), Trailer::Missing);
    }
}
