SELECT s.name || '.' || quote_ident(d.dictname) AS identity,
       concat_ws(' ', quote_ident(n.nspname) || '.' || quote_ident(t.tmplname), d.dictinitoption) AS definition
FROM pg_ts_dict d
JOIN own_schema s ON s.oid = d.dictnamespace
JOIN pg_ts_template t ON t.oid = d.dicttemplate
JOIN pg_namespace n ON n.oid = t.tmplnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_dict'::regclass AND m.objid = d.oid)
