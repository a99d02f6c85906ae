SELECT quote_ident(p.pubname) AS identity, (to_jsonb(p) - '{oid,pubname,pubowner}'::text[])::text AS definition
FROM pg_publication p
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_publication'::regclass AND m.objid = p.oid)
