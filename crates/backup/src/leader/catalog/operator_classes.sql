SELECT s.name || '.' || quote_ident(o.opcname) || ' USING ' || quote_ident(a.amname) AS identity,
       concat_ws(' ', 'for', format_type(o.opcintype, NULL), CASE WHEN o.opcdefault THEN 'default' END,
                 'storage ' || format_type(nullif(o.opckeytype, 0), NULL),
                 'family', quote_ident(n.nspname) || '.' || quote_ident(f.opfname)) AS definition
FROM pg_opclass o
JOIN own_schema s ON s.oid = o.opcnamespace
JOIN pg_am a ON a.oid = o.opcmethod
JOIN pg_opfamily f ON f.oid = o.opcfamily
JOIN pg_namespace n ON n.oid = f.opfnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opclass'::regclass AND m.objid = o.oid)
