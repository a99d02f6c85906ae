SELECT s.name || '.' || quote_ident(t.tmplname) AS identity, concat_ws(' ', t.tmplinit, t.tmpllexize) AS definition
FROM pg_ts_template t JOIN own_schema s ON s.oid = t.tmplnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_template'::regclass AND m.objid = t.oid)
