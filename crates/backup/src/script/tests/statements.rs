//! Where statements end.

use super::{Kind, Piece, StatementKind, Trailer, error, read, statements};

/// Expects the script `one; two` to be cut after `one;` only.
fn assert_whole(one: &str) {
    let one = format!("{one};");
    assert_eq!(statements(&format!("{one}\nSELECT 2;\n")), [one.as_str(), "SELECT 2;"]);
}

#[test]
fn a_semicolon_in_a_quoted_text_ends_nothing() {
    assert_whole("SELECT 'a;b', ';'';', ''';'");
}

#[test]
fn a_backslash_in_a_plain_text_escapes_nothing() {
    assert_whole(r"SELECT 'C:\', 'x'");
    assert_whole(r"SELECT U&'\0041\', N'\', B'0', X'1\'");
}

#[test]
fn a_backslash_in_an_escaped_text_hides_a_quote() {
    assert_whole(r"SELECT E'it\'s; \\', e'\\', E'a'';\'', 'x;'");
    assert_whole("SELECT E'a'\n  'b\\';', E'c' 'd\\'");
}

#[test]
fn a_name_that_ends_with_e_does_not_make_the_text_escaped() {
    assert_whole(r"SELECT date'\', _e'\', e1'\'");
}

#[test]
fn a_quoted_name_may_hold_anything() {
    assert_whole("ALTER TABLE \"a;\"\"b'\n-- $$ /* \\ \" OWNER TO \"o'\"");
    assert_whole("SELECT U&\"d\\0061;\"");
}

#[test]
fn a_dollar_quoted_text_ends_with_its_own_tag() {
    assert_whole("SELECT $$a;'b$$, $x$ $$ ; $y$ $x $x$, $ä_1$;$ä_$ä_1$");
    assert_whole("SELECT $a$;$$a$, $a$;$b$a$");
}

#[test]
fn a_dollar_inside_a_name_or_of_a_parameter_quotes_nothing() {
    assert_eq!(statements("SELECT a$b$; SELECT $1; x$$; SELECT 1;").len(), 4);
}

#[test]
fn comments_hide_semicolons_and_quotes() {
    assert_whole("SELECT 1 -- it's; $$ /*\n + 2");
    assert_whole("SELECT /* ; ' /* ; */ \" */ 1 /**/ /*/ ; */ + 1 /***/");
    assert_whole("SELECT 1 - 2 / 3 -4 /-5");
}

#[test]
fn a_line_comment_ends_at_a_carriage_return_too() {
    assert_eq!(statements("-- Name: x\rSELECT 1; SELECT 2;").len(), 2);
}

#[test]
fn semicolons_between_parentheses_belong_to_a_rule() {
    assert_whole("CREATE RULE r AS ON INSERT TO v DO INSTEAD (INSERT INTO t VALUES (1); NOTIFY x;)");
}

#[test]
fn the_body_of_an_sql_routine_ends_with_its_own_end() {
    assert_whole(
        "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql\n BEGIN ATOMIC\n SELECT CASE WHEN (CASE x WHEN 1 THEN \
         true END) THEN CASE x WHEN 2 THEN 'END;' END END AS \"end\";\n SELECT 1;\nEND",
    );
    assert_whole("create or replace procedure p() begin /* c */ atomic insert into t values (1); end");
}

#[test]
fn begin_as_a_name_opens_no_body() {
    assert_whole("CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'select 1'");
    assert_whole(
        "CREATE FUNCTION f(begin int, atomic int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS begin; END",
    );
    assert_eq!(statements("BEGIN; SELECT 1; END; COMMIT;").len(), 4);
}

#[test]
fn a_function_body_may_look_like_a_script() {
    assert_whole(
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nCOPY x FROM stdin;\n1\n\\.\n\\restrict x\n$$",
    );
}

#[test]
fn an_empty_statement_is_a_statement() {
    assert_eq!(statements("; SELECT 1;; -- nothing\n ;").len(), 4);
}

#[test]
fn psql_commands_are_lines_of_their_own() {
    let (pieces, _) = read(b"\\restrict k;'\n\nSELECT 1;\n\\unrestrict k\n").unwrap();
    let expected = [
        (StatementKind::MetaCommand, "\\restrict k;'\n"),
        (StatementKind::Sql, "\nSELECT 1;"),
        (StatementKind::MetaCommand, "\n\\unrestrict k\n"),
    ];
    assert_eq!(pieces, expected.map(|(kind, text)| Piece::Statement(kind, text.into())));
}

#[test]
fn a_psql_command_inside_a_statement_is_refused() {
    let (kind, text) = error("SELECT 1 \\gexec\n;");
    assert_eq!((kind, text.as_str()), (Kind::Integrity, "read a backslash outside of quotes within a statement"));
}

#[test]
fn a_script_cut_inside_something_names_it() {
    for (script, place) in [
        ("SELECT 'a;", "a quoted text"),
        ("SELECT E'a\\';", "a quoted text"),
        ("SELECT \"a;", "a quoted name"),
        ("SELECT $x$;$x", "a dollar-quoted text"),
        ("SELECT 1; -- Post", "a comment"),
        ("SELECT 1; /* ; /* */ ", "a comment"),
        ("SELECT (1;", "a statement"),
        ("SELECT 1", "a statement"),
        ("COPY t (a) FROM stdin;", "a statement"),
        ("\\restrict abc", "a psql command"),
        ("COPY t (a) FROM stdin;\n", "the rows of a table"),
        ("COPY t (a) FROM stdin;\n1\n\\.", "the rows of a table"),
        ("COPY t (a) FROM stdin;\n1\n2", "the rows of a table"),
    ] {
        let expected = (Kind::Integrity, format!("read the script to its end: it ends inside {place}"));
        assert_eq!(error(script), expected, "{script}");
    }
}

#[test]
fn the_trailer_counts_only_after_the_last_statement() {
    let trailer = |script: &str| read(script.as_bytes()).unwrap().1;
    let complete = "--\n-- PostgreSQL database dump complete\n--\n\n";
    assert_eq!(trailer(&format!("SELECT 1;\n{complete}\\unrestrict k\n\n")), Trailer::Database);
    assert_eq!(trailer(&format!("SELECT 1;\n{complete}SELECT 2;\n")), Trailer::Missing);
    assert_eq!(trailer("SELECT '\n-- PostgreSQL database dump complete\n';\n"), Trailer::Missing);
    assert_eq!(trailer("SELECT 1 \n-- PostgreSQL database dump complete\n;\n"), Trailer::Missing);
    assert_eq!(trailer("-- PostgreSQL database dump completed\n"), Trailer::Missing);
    assert_eq!(trailer("--\n-- PostgreSQL database cluster dump complete\n--\n"), Trailer::Cluster);
    assert_eq!(trailer(""), Trailer::Missing);
}

#[test]
fn settings_that_change_what_quotes_mean_are_refused() {
    assert_eq!(statements("SET standard_conforming_strings = on;\nSET client_encoding = 'UTF8';\n").len(), 2);
    for script in [
        "SET standard_conforming_strings = off;",
        "set client_encoding = 'sjis';",
        "SET client_encoding TO GBK;",
        "SET SESSION standard_conforming_strings TO false;",
    ] {
        assert_eq!(error(script).0, Kind::Failure, "{script}");
    }
}
