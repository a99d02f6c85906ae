//! Reads the comment that `pg_dump` prints before each object.

use lifeboat_core::index::Section;
use memchr::memmem;

/// What the comment before a statement says: for messages and for finding the section.
///
/// The comment does not quote names, so a name made for it can mislead about the other fields; let nothing that
/// matters depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommentHeader<'a> {
    /// The object's name, with its arguments or its table where it has them.
    pub name: &'a [u8],
    /// The object's type, such as `TABLE DATA`.
    pub kind: &'a [u8],
    /// The schema, if it has one.
    pub schema: Option<&'a [u8]>,
    /// The owner, if it has one.
    pub owner: Option<&'a [u8]>,
}

impl CommentHeader<'_> {
    /// The section of the object's type; `None` for a type that goes with its object (comments, privileges, security
    /// labels, statistics of the planner) and for one that is not known.
    ///
    /// Statements without a section of their own belong to that of what stands before them.
    #[must_use]
    pub fn section(&self) -> Option<Section> {
        let kinds = [(PRE_DATA, Section::PreData), (DATA, Section::Data), (POST_DATA, Section::PostData)];
        kinds.into_iter().find_map(|(kinds, section)| kinds.contains(&self.kind).then_some(section))
    }
}

/// The last header among the comments that begin a statement's text.
#[must_use]
pub fn comment_header(text: &[u8]) -> Option<CommentHeader<'_>> {
    text.split(|&byte| byte == b'\n')
        .take_while(|line| line.is_empty() || line.starts_with(b"--"))
        .filter_map(parse_line)
        .last()
}

fn parse_line(line: &[u8]) -> Option<CommentHeader<'_>> {
    let line = PREFIXES.iter().find_map(|prefix| line.strip_prefix(*prefix))?;
    let (name, rest) = split_last(line, b"; Type: ")?;
    let (kind, rest) = split_first(rest, b"; Schema: ")?;
    let (schema, owner) = split_last(rest, b"; Owner:")?;
    let owner = split_first(owner, b"; Tablespace: ").map_or(owner, |(owner, _)| owner).trim_ascii();
    Some(CommentHeader { name, kind, schema: given(schema), owner: given(owner) })
}

/// `pg_dump` prints a dash for nothing, or for a name it was told to leave out.
fn given(name: &[u8]) -> Option<&[u8]> {
    (!name.is_empty() && name != b"-").then_some(name)
}

fn split_first<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memmem::find(text, mark).map(|at| (&text[..at], &text[at + mark.len()..]))
}

fn split_last<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memmem::rfind(text, mark).map(|at| (&text[..at], &text[at + mark.len()..]))
}

const PREFIXES: &[&[u8]] = &[b"-- Name: ", b"-- Data for Name: ", b"-- Statistics for Name: "];

const PRE_DATA: &[&[u8]] = &[
    b"ACCESS METHOD",
    b"AGGREGATE",
    b"BLOB",
    b"CAST",
    b"COLLATION",
    b"CONVERSION",
    b"DATABASE",
    b"DATABASE PROPERTIES",
    b"DEFAULT",
    b"DOMAIN",
    b"ENCODING",
    b"EXTENSION",
    b"FOREIGN DATA WRAPPER",
    b"FOREIGN TABLE",
    b"FUNCTION",
    b"MATERIALIZED VIEW",
    b"OPERATOR",
    b"OPERATOR CLASS",
    b"OPERATOR FAMILY",
    b"PROCEDURAL LANGUAGE",
    b"PROCEDURE",
    b"SCHEMA",
    b"SEQUENCE",
    b"SEQUENCE OWNED BY",
    b"SERVER",
    b"SHELL TYPE",
    b"TABLE",
    b"TABLE ATTACH",
    b"TEXT SEARCH CONFIGURATION",
    b"TEXT SEARCH DICTIONARY",
    b"TEXT SEARCH PARSER",
    b"TEXT SEARCH TEMPLATE",
    b"TRANSFORM",
    b"TYPE",
    b"USER MAPPING",
    b"VIEW",
];

const DATA: &[&[u8]] = &[b"BLOB METADATA", b"BLOBS", b"SEQUENCE SET", b"TABLE DATA"];

const POST_DATA: &[&[u8]] = &[
    b"CHECK CONSTRAINT",
    b"CONSTRAINT",
    b"DEFAULT ACL",
    b"EVENT TRIGGER",
    b"FK CONSTRAINT",
    b"INDEX",
    b"INDEX ATTACH",
    b"MATERIALIZED VIEW DATA",
    b"POLICY",
    b"PUBLICATION",
    b"PUBLICATION TABLE",
    b"PUBLICATION TABLES IN SCHEMA",
    b"ROW SECURITY",
    b"RULE",
    b"STATISTICS",
    b"SUBSCRIPTION",
    b"SUBSCRIPTION TABLE",
    b"TRIGGER",
];
