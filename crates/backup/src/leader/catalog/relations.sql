SELECT r.name AS identity,
       concat_ws(', ',
           CASE r.relpersistence WHEN 'u' THEN 'unlogged ' ELSE '' END
               || CASE r.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
           'of type ' || format_type(nullif(r.reloftype, 0), NULL),
           'partition by ' || CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END,
           'partition ' || pg_get_expr(r.relpartbound, r.oid),
           'access method ' || quote_ident(a.amname),
           'with ' || nullif(array_to_string(ARRAY(SELECT o FROM unnest(r.reloptions) o ORDER BY o COLLATE "C"), ' '), ''),
           'toast with ' || nullif(array_to_string(ARRAY(SELECT o FROM unnest(toast.reloptions) o ORDER BY o COLLATE "C"), ' '), ''),
           CASE WHEN r.relrowsecurity THEN 'row security' END,
           CASE WHEN r.relforcerowsecurity THEN 'forced row security' END,
           CASE WHEN r.relkind = 'f' THEN NULL WHEN r.relreplident = 'n' THEN 'replica identity nothing' WHEN r.relreplident = 'f' THEN 'replica identity full' END,
           'server ' || quote_ident(s.srvname),
           'options ' || (
               SELECT string_agg(option_name || CASE WHEN option_name ~* 'pass|secret|token|key' THEN '' ELSE '=' || option_value END,
                                 ', ' ORDER BY option_name COLLATE "C")
               FROM pg_options_to_table(f.ftoptions))
       ) AS definition
FROM own_relation r
LEFT JOIN pg_am a ON a.oid = r.relam
LEFT JOIN pg_class toast ON toast.oid = r.reltoastrelid
LEFT JOIN pg_foreign_table f ON f.ftrelid = r.oid
LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
WHERE r.relkind IN ('r', 'p', 'f')
