SELECT r.name || '.' || quote_ident(w.rulename) AS identity,
       pg_get_ruledef(w.oid)
           || CASE w.ev_enabled WHEN 'O' THEN '' WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA' ELSE ' ALWAYS' END AS definition
FROM own_relation r JOIN pg_rewrite w ON w.ev_class = r.oid
WHERE w.rulename <> '_RETURN'
