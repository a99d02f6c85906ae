//! Recognises the statements that build something on a table's rows, so that a restore can run them early and in parallel.

use super::name::SqlName;
use super::words::{Word, Words};

/// A statement that needs rows, and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnRows {
    /// What it builds.
    pub what: Built,
    /// The table on whose rows.
    pub table: TableName,
    /// The access method of the index behind it, such as `btree`.
    pub method: SqlName,
    /// Whether it may run functions of the database, which may read other tables.
    pub calls: bool,
}

/// What a statement builds on rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// `CREATE [UNIQUE] INDEX … ON t`: others may be built on the same table meanwhile.
    Index,
    /// `ALTER TABLE ONLY t ADD CONSTRAINT … PRIMARY KEY | UNIQUE | EXCLUDE`.
    Constraint,
    /// `ALTER TABLE [ONLY] t ADD CONSTRAINT … FOREIGN KEY … REFERENCES …`, and the table it refers to.
    ForeignKey(TableName),
}

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema; always there in what `pg_dump` prints.
    pub schema: Option<SqlName>,
    /// The table.
    pub name: SqlName,
}

/// What a statement builds on rows; `None` for every statement whose place in the script matters: what belongs to a
/// partitioned table as a whole (`ON ONLY`), attaches, alters, comments.
#[must_use]
pub fn on_rows(statement: &[u8]) -> Option<OnRows> {
    let mut words = Words::new(statement);
    match words.next()? {
        Word::Bare(first) if first.eq_ignore_ascii_case(b"create") => index(words),
        Word::Bare(first) if first.eq_ignore_ascii_case(b"alter") => constraint(words),
        _ => None,
    }
}

fn index(mut words: Words<'_>) -> Option<OnRows> {
    take_keyword(&mut words, b"unique");
    (words.next_is(b"index") && words.name().is_some() && words.next_is(b"on")).then_some(())?;
    if take_keyword(&mut words, b"only") {
        return None;
    }
    let table = table(&mut words)?;
    words.next_is(b"using").then_some(())?;
    let method = words.name()?;
    Some(OnRows { what: Built::Index, table, method, calls: calls(words) })
}

fn constraint(mut words: Words<'_>) -> Option<OnRows> {
    words.next_is(b"table").then_some(())?;
    let only = take_keyword(&mut words, b"only");
    let table = table(&mut words)?;
    (words.next_is(b"add") && words.next_is(b"constraint") && words.name().is_some()).then_some(())?;
    let Word::Bare(kind) = words.next()? else { return None };
    let mut method = SqlName::new("btree");
    let what = match kind.to_ascii_lowercase().as_slice() {
        b"primary" | b"unique" if only => Built::Constraint,
        b"exclude" if only && words.next_is(b"using") => {
            method = words.name()?;
            Built::Constraint
        }
        b"foreign" => Built::ForeignKey(referenced(words.clone())?),
        _ => return None,
    };
    Some(OnRows { what, table, method, calls: calls(words) })
}

fn referenced(mut words: Words<'_>) -> Option<TableName> {
    words.any(|word| matches!(word, Word::Bare(word) if word.eq_ignore_ascii_case(b"references"))).then_some(())?;
    table(&mut words)
}

fn table(words: &mut Words<'_>) -> Option<TableName> {
    words.qualified_name().map(|(schema, name)| TableName { schema, name })
}

fn take_keyword(words: &mut Words<'_>, keyword: &[u8]) -> bool {
    let mut ahead = words.clone();
    let found = ahead.next_is(keyword);
    if found {
        *words = ahead;
    }
    found
}

/// Whether a function or an operator of another schema than `pg_catalog` is among the words: `pg_dump` names no schema for
/// those of `pg_catalog`. What only looks so, such as an operator class with options, does no harm.
fn calls(words: Words<'_>) -> bool {
    let is_name = |word: &Word<'_>| matches!(word, Word::Bare(_) | Word::Quoted(_));
    let words: Vec<_> = words.collect();
    words.windows(4).any(|four| {
        is_name(&four[0]) && four[1] == Word::Symbol(b'.') && is_name(&four[2]) && four[3] == Word::Symbol(b'(')
    }) || words.iter().any(|word| matches!(word, Word::Bare(word) if word.eq_ignore_ascii_case(b"operator")))
}
