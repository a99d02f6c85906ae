SELECT quote_ident(f.fdwname) AS identity,
       concat_ws(' ', 'handler ' || nullif(f.fdwhandler, 0)::regprocedure, 'validator ' || nullif(f.fdwvalidator, 0)::regprocedure,
                 'options ' || (
                     SELECT string_agg(option_name || CASE WHEN option_name ~* 'pass|secret|token|key' THEN '' ELSE '=' || option_value END,
                                       ', ' ORDER BY option_name COLLATE "C")
                     FROM pg_options_to_table(f.fdwoptions))) AS definition
FROM pg_foreign_data_wrapper f
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_data_wrapper'::regclass AND m.objid = f.oid)
