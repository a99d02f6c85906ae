-- Token types by their number, dictionaries in the order they are asked.
SELECT s.name || '.' || quote_ident(c.cfgname) AS identity,
       concat_ws(E'\n', 'parser ' || quote_ident(n.nspname) || '.' || quote_ident(p.prsname),
           (SELECT string_agg(w.maptokentype || ' ' || w.mapdict::regdictionary, E'\n' ORDER BY w.maptokentype, w.mapseqno)
            FROM pg_ts_config_map w WHERE w.mapcfg = c.oid)) AS definition
FROM pg_ts_config c
JOIN own_schema s ON s.oid = c.cfgnamespace
JOIN pg_ts_parser p ON p.oid = c.cfgparser
JOIN pg_namespace n ON n.oid = p.prsnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_config'::regclass AND m.objid = c.oid)
