SELECT r.name || '.' || quote_ident(t.tgname) AS identity,
       pg_get_triggerdef(t.oid)
           || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA' ELSE ' ALWAYS' END AS definition
FROM own_relation r JOIN pg_trigger t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal
