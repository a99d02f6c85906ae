SELECT i.type || ' ' || i.identity || ' FOR ' || quote_ident(l.provider) AS identity, l.label AS definition
FROM pg_seclabel l
CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) i
WHERE coalesce(i.schema !~ '^"?pg_' AND i.schema <> 'information_schema', true)
