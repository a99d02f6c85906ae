SELECT format_type(t.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname) AS identity,
       concat_ws(' ', 'from ' || nullif(t.trffromsql::oid, 0)::regprocedure, 'to ' || nullif(t.trftosql::oid, 0)::regprocedure) AS definition
FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
WHERE t.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_transform'::regclass AND m.objid = t.oid)
