-- The value of an option that may be a secret is left out.
SELECT quote_ident(s.srvname) AS identity,
       concat_ws(' ', 'wrapper', quote_ident(f.fdwname), 'type ' || s.srvtype, 'version ' || s.srvversion,
                 'options ' || (
                     SELECT string_agg(option_name || CASE WHEN option_name ~* 'pass|secret|token|key' THEN '' ELSE '=' || option_value END,
                                       ', ' ORDER BY option_name COLLATE "C")
                     FROM pg_options_to_table(s.srvoptions))) AS definition
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = s.oid)
