SELECT s.name || '.' || quote_ident(x.stxname) AS identity,
       pg_get_statisticsobjdef(x.oid) || coalesce(' STATISTICS ' || nullif(to_jsonb(x) ->> 'stxstattarget', '-1'), '') AS definition
FROM pg_statistic_ext x JOIN own_schema s ON s.oid = x.stxnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_statistic_ext'::regclass AND m.objid = x.oid)
