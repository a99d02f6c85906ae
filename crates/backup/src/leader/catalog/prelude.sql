-- What stands before every query: which objects are the user's own. pg_dump leaves out what an extension made and what
-- the server came with; a schema that it does not dump keeps all that is in it out of the dump.
WITH member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), own_schema AS (
    SELECT oid, quote_ident(nspname) AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), own_relation AS (
    SELECT c.*, s.name || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN own_schema s ON s.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
), own_type AS (
    -- Neither the types of tables' rows nor those of arrays and multiranges, which their makers bring along.
    SELECT t.*, format_type(t.oid, NULL) AS name
    FROM pg_type t JOIN own_schema s ON s.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typrelid = 0 OR c.relkind = 'c') AND t.typtype <> 'm'
      AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
), own_function AS (
    -- Without those that come with a range type.
    SELECT p.*, p.oid::regprocedure::text AS name
    FROM pg_proc p JOIN own_schema s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
), object AS (
    -- Everything that has an owner or privileges; kind is what acldefault() takes.
    SELECT 'pg_namespace'::regclass AS classid, oid AS objid, 0 AS objsubid, nspowner AS owner, oid AS namespace,
           nspacl AS acl, 'n'::"char" AS kind FROM pg_namespace
    UNION ALL SELECT 'pg_class'::regclass, oid, 0, relowner, relnamespace, relacl,
           (CASE relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char"
      FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
    UNION ALL SELECT 'pg_class'::regclass, c.oid, a.attnum, c.relowner, c.relnamespace, a.attacl, 'c'::"char"
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relpersistence <> 't'
    UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proowner, pronamespace, proacl, 'f' FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, 0, typowner, typnamespace, typacl, 'T' FROM own_type
    UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanowner, NULL, lanacl, 'l' FROM pg_language WHERE lanispl
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwowner, NULL, fdwacl, 'F' FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, srvowner, NULL, srvacl, 'S' FROM pg_foreign_server
    UNION ALL SELECT 'pg_operator'::regclass, oid, 0, oprowner, oprnamespace, NULL, NULL FROM pg_operator WHERE oprcode <> 0
    UNION ALL SELECT 'pg_opclass'::regclass, oid, 0, opcowner, opcnamespace, NULL, NULL FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, 0, opfowner, opfnamespace, NULL, NULL FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, 0, collowner, collnamespace, NULL, NULL FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, 0, conowner, connamespace, NULL, NULL FROM pg_conversion
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 0, dictowner, dictnamespace, NULL, NULL FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, 0, cfgowner, cfgnamespace, NULL, NULL FROM pg_ts_config
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 0, stxowner, stxnamespace, NULL, NULL FROM pg_statistic_ext
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0, evtowner, NULL, NULL, NULL FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, oid, 0, pubowner, NULL, NULL, NULL FROM pg_publication
)
