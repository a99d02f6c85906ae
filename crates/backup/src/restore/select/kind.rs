//! What the types of entries mean to a selection.

/// Whether entries of the type have columns: they are what a border runs between.
pub(super) fn is_relation(kind: &str) -> bool {
    matches!(kind, "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW")
}

/// Whether the type can be selected by `--table`.
pub(super) fn is_nameable(kind: &str) -> bool {
    is_relation(kind) || kind == "SEQUENCE"
}

/// Whether entries of a selected schema are restored whatever they need; the others only if they need nothing outside.
pub(super) fn is_firm(kind: &str) -> bool {
    matches!(kind, "TABLE" | "FOREIGN TABLE" | "SEQUENCE")
}

/// Whether entries of the type are parts of another object, and come with it.
pub(super) fn is_part(kind: &str) -> bool {
    is_index(kind)
        || matches!(
            kind,
            "CAST"
                | "CHECK CONSTRAINT"
                | "DEFAULT"
                | "FK CONSTRAINT"
                | "INDEX ATTACH"
                | "MATERIALIZED VIEW DATA"
                | "POLICY"
                | "ROW SECURITY"
                | "RULE"
                | "SEQUENCE OWNED BY"
                | "STATISTICS"
                | "TABLE ATTACH"
                | "TRIGGER"
        )
}

/// Whether entries of the type are indexes, or constraints that are one.
pub(super) fn is_index(kind: &str) -> bool {
    matches!(kind, "INDEX" | "CONSTRAINT")
}

/// Whether entries of the type only say something about another.
pub(super) fn is_remark(kind: &str) -> bool {
    matches!(kind, "ACL" | "COMMENT" | "SECURITY LABEL")
}

/// Whether entries of the type are never part of a selection, though they have a schema.
pub(super) fn is_never_selected(kind: &str) -> bool {
    kind.starts_with("PUBLICATION") || kind.starts_with("SUBSCRIPTION") || kind == "STATISTICS DATA"
}

/// When an entry runs: as pg_restore does, privileges after everything else, then what must not run before them.
pub(super) fn pass(kind: &str) -> u8 {
    match kind {
        "ACL" | "DEFAULT ACL" => 1,
        "MATERIALIZED VIEW DATA" => 2,
        _ => 0,
    }
}
