//! What pg_restore would run for an entry of the archive.

use super::toc::Entry;
use crate::postgres::quote_ident;
use crate::script::changes_owner_or_privileges;

/// The statements of entries that run one after another on one session.
pub(super) struct Definitions {
    /// Leave owners and privileges as they come.
    pub(super) skip_owners: bool,
    tablespace: Option<String>,
    access_method: Option<String>,
}

impl Definitions {
    /// Definitions under settings that are not known yet.
    pub(super) fn new(skip_owners: bool) -> Self {
        Self { skip_owners, tablespace: None, access_method: None }
    }

    /// The statements that make an entry: what it is made in, itself, its owner.
    pub(super) fn of(&mut self, entry: &Entry) -> Vec<String> {
        let definition = entry.definition.trim();
        // Nothing but a comment: what it is about exists in every database.
        if definition.is_empty() || self.skip_owners && changes_owner_or_privileges(definition.as_bytes()) {
            return Vec::new();
        }
        let mut statements = Vec::new();
        statements.extend(self.tablespace(entry));
        statements.extend(self.access_method(entry));
        statements.push(definition.to_owned());
        statements.extend(method_without_storage(entry));
        statements.extend(owner(entry).filter(|_| !self.skip_owners));
        statements
    }

    fn tablespace(&mut self, entry: &Entry) -> Option<String> {
        let wanted = entry.tablespace.as_ref().filter(|wanted| self.tablespace.as_ref() != Some(wanted))?;
        self.tablespace = Some(wanted.clone());
        let value = if wanted.is_empty() { "''".to_owned() } else { quote_ident(wanted) };
        Some(format!("SET default_tablespace = {value};"))
    }

    fn access_method(&mut self, entry: &Entry) -> Option<String> {
        let wanted = entry.access_method.as_ref().filter(|wanted| self.access_method.as_ref() != Some(wanted))?;
        if entry.relkind == PARTITIONED {
            return None;
        }
        self.access_method = Some(wanted.clone());
        Some(format!("SET default_table_access_method = {};", quote_ident(wanted)))
    }
}

fn method_without_storage(entry: &Entry) -> Option<String> {
    let method = entry.access_method.as_ref().filter(|_| entry.relkind == PARTITIONED)?;
    Some(format!("ALTER TABLE {} SET ACCESS METHOD {};", qualified(entry), quote_ident(method)))
}

fn owner(entry: &Entry) -> Option<String> {
    if entry.owner.is_empty() || entry.drop.is_empty() {
        return None;
    }
    let object = match entry.kind.as_str() {
        kind if NAMED.contains(&kind) => format!("{kind} {}", qualified(entry)),
        // They are named with their arguments, as in the statement that drops them.
        kind if WITH_ARGUMENTS.contains(&kind) => {
            entry.drop.trim_end().trim_end_matches(';').strip_prefix("DROP ")?.to_owned()
        }
        _ => return None,
    };
    Some(format!("ALTER {object} OWNER TO {};", quote_ident(&entry.owner)))
}

/// The name of an entry whose tag is a name, as SQL.
pub(super) fn qualified(entry: &Entry) -> String {
    let schema = entry.schema.as_ref().map(|schema| format!("{}.", quote_ident(schema))).unwrap_or_default();
    format!("{schema}{}", quote_ident(&entry.tag))
}

const PARTITIONED: u8 = b'p';

const NAMED: &[&str] = &[
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "MATERIALIZED VIEW",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TYPE",
    "VIEW",
];

const WITH_ARGUMENTS: &[&str] =
    &["AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE"];
