-- Parameters; values are in the index.
SELECT r.name AS identity,
       concat_ws(' ', CASE WHEN r.relpersistence = 'u' THEN 'unlogged' END, format_type(q.seqtypid, NULL),
                 'START', q.seqstart, 'INCREMENT', q.seqincrement, 'MINVALUE', q.seqmin, 'MAXVALUE', q.seqmax, 'CACHE', q.seqcache,
                 CASE WHEN q.seqcycle THEN 'CYCLE' END,
                 'OWNED BY ' || (
                     SELECT pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
                     FROM pg_depend d
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.objsubid = 0
                       AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))
       ) AS definition
FROM own_relation r JOIN pg_sequence q ON q.seqrelid = r.oid
