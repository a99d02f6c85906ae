SELECT quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' IN SCHEMA ' || s.name, '')
           || ' ON ' || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
                        WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS identity,
       coalesce(string_agg(
           a.privilege_type || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
               || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
           '; ' ORDER BY pg_get_userbyid(a.grantee) COLLATE "C", a.privilege_type COLLATE "C"), 'none') AS definition
FROM pg_default_acl d
LEFT JOIN own_schema s ON s.oid = d.defaclnamespace
LEFT JOIN LATERAL aclexplode(d.defaclacl) a ON true
WHERE (d.defaclnamespace = 0 OR s.oid IS NOT NULL)
GROUP BY d.oid, d.defaclrole, d.defaclobjtype, s.name
