//! Where rows begin and end, and whose they are.

use super::super::{CopyTarget, SqlName};
use super::{Kind, Piece, error, read, statements};

fn target(statement: &str) -> CopyTarget {
    CopyTarget::parse(statement.as_bytes()).unwrap().unwrap()
}

fn names(target: &CopyTarget) -> (Option<&str>, &str, Vec<&str>) {
    let columns = target.columns.iter().map(|name| name.as_str().unwrap()).collect();
    (target.schema.as_ref().map(|name| name.as_str().unwrap()), target.table.as_str().unwrap(), columns)
}

/// The rows of a script that holds one COPY block with these data lines.
fn rows(lines: &str) -> Vec<String> {
    let script = format!("COPY public.t (a) FROM stdin;\n{lines}\\.\n\n\nSELECT 1;\n");
    let (pieces, _) = read(script.as_bytes()).unwrap();
    let Piece::Rows(rows) = &pieces[1] else { panic!("no rows in {pieces:?}") };
    rows.iter().map(|row| String::from_utf8(row.clone()).unwrap()).collect()
}

#[test]
fn a_block_without_rows_ends_at_once() {
    assert_eq!(rows(""), [""; 0]);
}

#[test]
fn only_a_line_that_is_exactly_the_terminator_ends_the_rows() {
    let lines =
        ["\\\\.", "\\N", "", "\\.x", "x\\.", "\\..", "\\", "a\t\\.\tb", "\\.\t", " \\.", "\\.\r", "'", "$$", "--"];
    assert_eq!(rows(&(lines.join("\n") + "\n")), lines);
}

#[test]
fn rows_may_be_empty_lines() {
    assert_eq!(rows("\n\n\n"), ["", "", ""]);
}

#[test]
fn the_line_that_ends_the_rows_is_sql_after_them() {
    let (pieces, _) = read(b"COPY public.t (a) FROM stdin;\n1\n\\.\n").unwrap();
    assert!(matches!(&pieces[2], Piece::Statement(super::StatementKind::CopyEnd, text) if text == b"\\.\n"));
}

#[test]
fn names_come_without_their_quotes() {
    let target =
        target("COPY \"We\"\"ird\nschema\".\"ta;ble $$ ' -- /*\" (\"co\"\"l ,)\", \"E'\", plain, Folded) FROM stdin;");
    let columns = vec!["co\"l ,)", "E'", "plain", "folded"];
    assert_eq!(names(&target), (Some("We\"ird\nschema"), "ta;ble $$ ' -- /*", columns));
}

#[test]
fn a_table_without_columns_has_no_list() {
    assert_eq!(names(&target("COPY public.zero_cols  FROM stdin;")), (Some("public"), "zero_cols", vec![]));
}

#[test]
fn keywords_may_be_names() {
    let target = target("COPY public.\"from\" (\"from\", stdin, to) FROM stdin;");
    assert_eq!(names(&target), (Some("public"), "from", vec!["from", "stdin", "to"]));
}

#[test]
fn names_that_are_not_utf8_keep_their_bytes() {
    let target = CopyTarget::parse(b"COPY public.\"t\xe4ble\" (gr\xf6\xdfe) FROM stdin;").unwrap().unwrap();
    assert_eq!(target.table, SqlName::new(*b"t\xe4ble"));
    assert_eq!(target.columns[0].as_bytes(), b"gr\xf6\xdfe");
    assert_eq!((target.table.as_str(), target.table.to_string().as_str()), (None, "t\u{fffd}ble"));
}

#[test]
fn the_statement_is_kept_without_the_comments_before_it() {
    let (pieces, _) = read(b"--\n-- Data for Name: t\n--\n\nCOPY t (a) FROM stdin;\n\\.\n").unwrap();
    let Piece::CopyBegin(target, text) = &pieces[0] else { panic!("no COPY in {pieces:?}") };
    assert_eq!(target.statement, b"COPY t (a) FROM stdin;");
    assert!(text.ends_with(b"FROM stdin;\n"));
}

#[test]
fn a_copy_that_reads_nothing_here_is_a_statement() {
    let script = "COPY t (a) TO stdout; COPY t FROM '/tmp/x'; COPY t (a) FROM PROGRAM 'x'; COPY (SELECT 1) TO stdout;";
    assert_eq!(statements(script).len(), 4);
}

#[test]
fn a_copy_that_pg_dump_does_not_print_is_refused() {
    for copy in [
        "COPY t FROM stdin WITH (FORMAT csv);",
        "COPY t (a) WITH OIDS FROM stdin;",
        "COPY t (a), b FROM stdin;",
        "COPY;",
    ] {
        let (kind, text) = error(&format!("{copy}\n1\n\\.\n"));
        assert_eq!(kind, Kind::Policy);
        assert_eq!(text, format!("read {copy:?} as one of pg_dump's COPY statements"));
    }
}

#[test]
fn changed_line_ends_are_refused() {
    assert_eq!(error("COPY t (a) FROM stdin;\r\n1\r\n\\.\r\n").1, "find a newline right after COPY … FROM stdin;");
}

#[test]
fn a_terminator_without_rows_is_refused() {
    assert_eq!(error("SELECT 1;\n\\.\n").1, "read a line \\. that ends no rows");
}
