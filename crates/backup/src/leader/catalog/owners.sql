-- public belongs to what the server says, unless someone changed that; before Postgres 15 no dump told.
SELECT i.type || ' ' || i.identity AS identity, quote_ident(pg_get_userbyid(o.owner)) AS definition
FROM object o
LEFT JOIN own_schema s ON s.oid = o.namespace
CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) i
WHERE o.objsubid = 0
  AND (o.objid >= 16384 OR s.name = 'public' AND o.classid = 'pg_namespace'::regclass)
  AND (o.namespace IS NULL OR s.oid IS NOT NULL)
  AND NOT (o.classid = 'pg_namespace'::regclass AND s.name = 'public'
           AND (current_setting('server_version_num')::int < 150000 OR pg_get_userbyid(o.owner) = 'pg_database_owner'))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = o.classid AND m.objid = o.objid)
  AND (o.classid <> 'pg_proc'::regclass OR o.objid IN (SELECT oid FROM own_function))
