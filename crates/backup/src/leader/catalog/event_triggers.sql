SELECT quote_ident(e.evtname) AS identity,
       concat_ws(' ', e.evtevent, 'TAG IN (' || array_to_string(e.evttags, ', ') || ')', e.evtfoid::regprocedure,
                 CASE e.evtenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' END) AS definition
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
