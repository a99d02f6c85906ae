-- pg_dump leaves an invalid index out, unless it is that of a partitioned table, whose parts may be incomplete.
SELECT r.name AS identity,
       concat_ws(' ', pg_get_indexdef(r.oid), CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
                 CASE WHEN i.indisclustered THEN 'CLUSTERED' END, CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END,
                 'STATISTICS ' || (
                     SELECT string_agg(a.attnum || '=' || a.attstattarget, ', ' ORDER BY a.attnum)
                     FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attstattarget >= 0)
       ) AS definition
FROM own_relation r
JOIN pg_index i ON i.indexrelid = r.oid
JOIN own_relation t ON t.oid = i.indrelid
WHERE (i.indisvalid OR t.relkind = 'p') AND i.indisready
