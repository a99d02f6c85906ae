SELECT quote_ident(l.lanname) AS identity,
       concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'trusted' END, 'handler ' || nullif(l.lanplcallfoid, 0)::regprocedure,
                 'inline ' || nullif(l.laninline, 0)::regprocedure, 'validator ' || nullif(l.lanvalidator, 0)::regprocedure) AS definition
FROM pg_language l
WHERE l.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_language'::regclass AND m.objid = l.oid)
