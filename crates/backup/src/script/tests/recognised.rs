//! What restore knows about statements.

use lifeboat_core::index::Section;

use super::super::{
    SqlName, Statement, StatementKind, Statements, changes_owner_or_privileges, comment_header, is_session_setting,
    may_name_roles, setval,
};
use super::Kind;

fn cut(range: &str) -> Vec<(StatementKind, &str)> {
    let text = |statement: Statement<'_>| (statement.kind, std::str::from_utf8(statement.body()).unwrap().len());
    let mut rest = range;
    let statements = Statements::new(range.as_bytes()).map(|statement| {
        let statement = statement.unwrap();
        let (whole, after) = rest.split_at(statement.text.len());
        rest = after;
        (statement.kind, &whole[whole.len() - text(statement).1..])
    });
    statements.collect()
}

#[test]
fn a_range_is_cut_into_statements_of_every_kind() {
    let range = "\\.\n\n--\n-- Name: x\n--\n\\restrict k\nSET a = 1; /* ; */ SELECT ';';\n\nCOPY t (a) FROM stdin;\n";
    let expected = [
        (StatementKind::CopyEnd, "\\.\n"),
        (StatementKind::MetaCommand, "\\restrict k\n"),
        (StatementKind::Sql, "SET a = 1;"),
        (StatementKind::Sql, "SELECT ';';"),
        (StatementKind::CopyBegin, "COPY t (a) FROM stdin;\n"),
    ];
    assert_eq!(cut(range), expected);
}

#[test]
fn comments_at_the_end_of_a_range_are_blank() {
    assert_eq!(cut("SELECT 1;\n\n-- done\n"), [(StatementKind::Sql, "SELECT 1;"), (StatementKind::Blank, "")]);
    assert_eq!(cut(""), []);
}

#[test]
fn a_range_that_is_cut_or_holds_rows_ends_with_an_error() {
    for range in ["SELECT 1; SELECT ';", "COPY t (a) FROM stdin;\n1\n\\.\n", "SELECT 1;\n\\.\n"] {
        let last = Statements::new(range.as_bytes()).last().unwrap();
        assert_eq!(last.unwrap_err().kind(), Kind::Integrity, "{range}");
    }
}

#[test]
fn psql_commands_have_names_and_copies_have_targets() {
    let statements: Vec<_> =
        Statements::new(b"-- c\n\\connect x\n\\!\nCOPY s.t (a) FROM stdin;\n").map(Result::unwrap).collect();
    let names: Vec<_> = statements.iter().map(Statement::meta_command).collect();
    assert_eq!(names, [Some(&b"connect"[..]), Some(b"!"), None]);
    assert_eq!(statements[2].copy_target().unwrap().table, SqlName::new(*b"t"));
    assert_eq!(statements[0].copy_target(), None);
}

#[test]
fn settings_of_the_session_are_recognised() {
    for statement in
        ["-- c\nSET row_security = off;", "RESET ALL;", "SELECT pg_catalog.set_config('search_path', '', false);"]
    {
        assert!(is_session_setting(statement.as_bytes()), "{statement}");
    }
    for statement in
        ["SELECT pg_catalog.setval('s', 1, true);", "SELECT pg_catalog.set_config('a', '', true), drop_all();", ""]
    {
        assert!(!is_session_setting(statement.as_bytes()), "{statement}");
    }
}

#[test]
fn owners_and_privileges_are_recognised() {
    for statement in [
        "ALTER TABLE public.t OWNER TO \"o'wner\";",
        "ALTER FUNCTION public.f(a integer, VARIADIC b text[]) OWNER TO postgres;",
        "ALTER DATABASE \"shop\" OWNER TO \"app\"",
        "GRANT SELECT ON TABLE public.t TO x;",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT SELECT ON TABLES TO x;",
    ] {
        assert!(changes_owner_or_privileges(statement.as_bytes()), "{statement}");
    }
    for statement in [
        "ALTER SEQUENCE public.s OWNED BY public.t.id;",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT 'x OWNER TO y;';",
        "ALTER TABLE public.t RENAME COLUMN owner TO x, y;",
        "CREATE TABLE public.t (a int);",
    ] {
        assert!(!changes_owner_or_privileges(statement.as_bytes()), "{statement}");
    }
}

#[test]
fn the_value_of_a_sequence_is_read() {
    let read = |statement: &str| {
        let set = setval(statement.as_bytes())?;
        Some((set.schema.map(|name| name.to_string()), set.sequence.to_string(), set.value, set.is_called))
    };
    let public = Some("public".to_owned());
    let statement = "-- c\nSELECT pg_catalog.setval('public.\"we''ird \"\"seq\\;\"', 42, false);";
    assert_eq!(read(statement), Some((public.clone(), "we'ird \"seq\\;".into(), 42, false)));
    assert_eq!(read("SELECT pg_catalog.setval('public.s', -7, true);"), Some((public, "s".into(), -7, true)));
    assert_eq!(read("SELECT pg_catalog.setval('s', 9223372036854775808, true);"), None);
    assert_eq!(read("SELECT pg_catalog.lo_create('1');"), None);
}

#[test]
fn the_comment_before_a_statement_is_read() {
    let text = b"\n\n--\n-- Name: t; Type: TABLE; Schema: public; Owner: postgres; Tablespace: fast\n--\n\nCREATE";
    let header = comment_header(text).unwrap();
    assert_eq!((header.name, header.kind), (&b"t"[..], &b"TABLE"[..]));
    assert_eq!((header.schema, header.owner), (Some(&b"public"[..]), Some(&b"postgres"[..])));
    assert_eq!(header.section(), Some(Section::PreData));
}

#[test]
fn a_verbose_comment_without_schema_and_owner_is_read() {
    let text = b"--\n-- TOC entry 1 (class 1 OID 2)\n-- Dependencies: 5\n-- Data for Name: 777; Type: BLOBS; Schema: -; Owner: \n--\n";
    let header = comment_header(text).unwrap();
    assert_eq!((header.schema, header.owner, header.section()), (None, None, Some(Section::Data)));
}

#[test]
fn a_text_that_looks_like_a_comment_is_none() {
    assert_eq!(comment_header(b"SELECT '\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n';"), None);
}

#[test]
fn types_have_sections() {
    let section = |kind: &str| {
        let text = format!("-- Name: x; Type: {kind}; Schema: -; Owner: -\n");
        comment_header(text.as_bytes()).unwrap().section()
    };
    for kind in ["EXTENSION", "FUNCTION", "TABLE ATTACH", "SEQUENCE OWNED BY", "BLOB", "DEFAULT"] {
        assert_eq!(section(kind), Some(Section::PreData), "{kind}");
    }
    for kind in ["TABLE DATA", "SEQUENCE SET", "BLOBS", "BLOB METADATA"] {
        assert_eq!(section(kind), Some(Section::Data), "{kind}");
    }
    for kind in ["INDEX", "FK CONSTRAINT", "MATERIALIZED VIEW DATA", "PUBLICATION TABLES IN SCHEMA", "STATISTICS"] {
        assert_eq!(section(kind), Some(Section::PostData), "{kind}");
    }
    for kind in ["ACL", "COMMENT", "SECURITY LABEL", "STATISTICS DATA", "HOVERCRAFT"] {
        assert_eq!(section(kind), None, "{kind}");
    }
}

#[test]
fn statements_for_roles_by_name_are_recognised() {
    let yes = [
        "CREATE POLICY \"p\" ON \"public\".\"t\" TO \"app\" USING (true);",
        "COMMENT ON POLICY p ON public.t IS 'x';",
        "CREATE USER MAPPING FOR \"app\" SERVER \"s\";",
    ];
    assert!(yes.iter().all(|statement| may_name_roles(statement.as_bytes())));
    let no = ["CREATE TABLE policy ();", "COMMENT ON TABLE p IS 'x';", "CREATE \"user\" mapping;"];
    assert!(!no.iter().any(|statement| may_name_roles(statement.as_bytes())));
}
