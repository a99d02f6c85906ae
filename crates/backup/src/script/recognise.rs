//! Recognises statements that a restore leaves out, or runs on every connection.

use super::words::{Word, Words};

/// Whether a statement sets the session: `SET …;`, `RESET …;`, `SELECT pg_catalog.set_config('…', '…', …);`.
#[must_use]
pub fn is_session_setting(statement: &[u8]) -> bool {
    let words = Words::new(statement);
    match words.clone().next() {
        Some(Word::Bare(first)) => matches_any(first, &[b"set", b"reset"]) || is_set_config(words),
        _ => false,
    }
}

/// Whether a statement changes only owners or privileges: `ALTER … OWNER TO …;`, `GRANT`, `REVOKE`,
/// `ALTER DEFAULT PRIVILEGES`.
#[must_use]
pub fn changes_owner_or_privileges(statement: &[u8]) -> bool {
    let mut words = Words::new(statement);
    match words.next() {
        Some(Word::Bare(first)) if first.eq_ignore_ascii_case(b"alter") => {
            is_default_privileges(words.clone()) || ends_with_owner(words)
        }
        Some(Word::Bare(first)) => matches_any(first, &[b"grant", b"revoke"]),
        _ => false,
    }
}

/// Whether a statement is about roles by name and does more than give them rights: a policy, the comment on one, or a
/// user mapping. It fails where such a role is missing.
#[must_use]
pub fn may_name_roles(statement: &[u8]) -> bool {
    begins_with(statement, &[b"create", b"policy"])
        || begins_with(statement, &[b"comment", b"on", b"policy"])
        || creates_user_mapping(statement)
}

/// Whether a statement says how to log in at another server.
#[must_use]
pub fn creates_user_mapping(statement: &[u8]) -> bool {
    begins_with(statement, &[b"create", b"user", b"mapping"])
}

/// Whether a statement asks for the rows of a materialized view.
#[must_use]
pub fn refreshes_materialized_view(statement: &[u8]) -> bool {
    begins_with(statement, &[b"refresh", b"materialized", b"view"])
}

fn begins_with(statement: &[u8], beginning: &[&[u8]]) -> bool {
    let mut words = Words::new(statement);
    beginning.iter().all(|word| words.next_is(word))
}

/// The words up to the opening parenthesis of a call of a function in `pg_catalog`; whether they are there.
pub(super) fn next_is_call(words: &mut Words<'_>, function: &[u8]) -> bool {
    words.next_is(b"select")
        && words.next_is(b"pg_catalog")
        && words.next_is_symbol(b'.')
        && words.next_is(function)
        && words.next_is_symbol(b'(')
}

/// The next word as the value of a boolean.
pub(super) fn next_bool(words: &mut Words<'_>) -> Option<bool> {
    match words.next()? {
        Word::Bare(word) if word.eq_ignore_ascii_case(b"true") => Some(true),
        Word::Bare(word) if word.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

fn is_set_config(mut words: Words<'_>) -> bool {
    next_is_call(&mut words, b"set_config")
        && matches!(words.next(), Some(Word::Text(_)))
        && words.next_is_symbol(b',')
        && matches!(words.next(), Some(Word::Text(_)))
        && words.next_is_symbol(b',')
        && next_bool(&mut words).is_some()
        && words.next_is_symbol(b')')
        && words.at_end()
}

fn is_default_privileges(mut words: Words<'_>) -> bool {
    words.next_is(b"default") && words.next_is(b"privileges")
}

/// Whether the last words are `OWNER TO` and a name.
fn ends_with_owner(mut words: Words<'_>) -> bool {
    loop {
        let mut ahead = words.clone();
        if ahead.next_is(b"owner") && ahead.next_is(b"to") && ahead.name().is_some() && ahead.ends_here() {
            return true;
        }
        if words.next().is_none() {
            return false;
        }
    }
}

fn matches_any(word: &[u8], keywords: &[&[u8]]) -> bool {
    keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}
