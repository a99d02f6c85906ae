SELECT quote_ident(a.amname) AS identity, concat_ws(' ', a.amtype, a.amhandler) AS definition
FROM pg_am a
WHERE a.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_am'::regclass AND m.objid = a.oid)
