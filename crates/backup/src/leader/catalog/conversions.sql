SELECT s.name || '.' || quote_ident(c.conname) AS identity,
       concat_ws(' ', pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding), 'by', c.conproc,
                 CASE WHEN c.condefault THEN 'default' END) AS definition
FROM pg_conversion c JOIN own_schema s ON s.oid = c.connamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_conversion'::regclass AND m.objid = c.oid)
