//! Whether a database is empty: leave to restore into it, or to drop it.

use lifeboat_core::{Error, Kind, Result};

use crate::postgres::{DirectSession, Session as _};

/// How many objects of users a database has, of every kind: an empty one has none.
///
/// # Errors
/// Those of the session; [`Kind::Database`] when what it says is no number, for "empty" is leave to drop a database.
pub async fn user_objects(session: &mut DirectSession) -> Result<u64> {
    counted_objects(session.text(USER_OBJECTS).await?.as_deref())
}

fn counted_objects(answer: Option<&str>) -> Result<u64> {
    let count = answer.and_then(|count| count.parse().ok());
    count.ok_or_else(|| Error::new(Kind::Database, "count the objects of the database: the answer is no number"))
}

/// What pg_dump would find in the database, but for the schema `public` itself. As pg_dump does, it takes an oid below
/// 16384 for initdb's; of an extension only itself counts.
const USER_OBJECTS: &str = "
SELECT (SELECT count(*)
        FROM (SELECT 'pg_class'::regclass AS class, oid, relnamespace AS namespace
                FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
              UNION ALL SELECT 'pg_type'::regclass, t.oid, typnamespace
                FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
                WHERE typtype IN ('d', 'e', 'r') OR relkind = 'c'
              UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace WHERE nspname <> 'public'
              UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
              UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
              UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass
              UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily
              UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
              UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
              UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
              UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
              UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace FROM pg_ts_parser
              UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace FROM pg_ts_template
              UNION ALL SELECT 'pg_cast'::regclass, oid, NULL FROM pg_cast
              UNION ALL SELECT 'pg_transform'::regclass, oid, NULL FROM pg_transform
              UNION ALL SELECT 'pg_am'::regclass, oid, NULL FROM pg_am
              UNION ALL SELECT 'pg_language'::regclass, oid, NULL FROM pg_language
              UNION ALL SELECT 'pg_extension'::regclass, oid, NULL FROM pg_extension WHERE extname <> 'plpgsql'
              UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, NULL FROM pg_foreign_data_wrapper
              UNION ALL SELECT 'pg_foreign_server'::regclass, oid, NULL FROM pg_foreign_server
              UNION ALL SELECT 'pg_event_trigger'::regclass, oid, NULL FROM pg_event_trigger
              UNION ALL SELECT 'pg_publication'::regclass, oid, NULL FROM pg_publication
              UNION ALL SELECT 'pg_default_acl'::regclass, oid, NULL FROM pg_default_acl) AS o
        LEFT JOIN pg_namespace n ON n.oid = o.namespace
        WHERE o.oid >= 16384
          AND (o.namespace IS NULL OR n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')
          AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i')))
     + (SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
        WHERE d.datname = current_database())
     + (SELECT count(*) FROM pg_largeobject_metadata)";

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::counted_objects;

    #[test]
    fn a_count_that_cannot_be_read_is_no_empty_database() {
        assert_eq!(counted_objects(Some("0")).unwrap(), 0);
        for answer in [None, Some(""), Some("many")] {
            assert_eq!(counted_objects(answer).unwrap_err().kind(), Kind::Database);
        }
    }
}
