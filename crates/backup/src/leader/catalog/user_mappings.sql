-- Only that they are there: their options are passwords.
SELECT CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u.umuser)) END || ' SERVER ' || quote_ident(u.srvname) AS identity,
       'user mapping' AS definition
FROM pg_user_mappings u
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = u.srvid)
