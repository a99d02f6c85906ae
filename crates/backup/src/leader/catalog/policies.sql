-- Also those on an extension's tables: pg_dump prints them.
SELECT s.name || '.' || quote_ident(c.relname) || '.' || quote_ident(p.polname) AS identity,
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                 'FOR', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                 'TO', (SELECT string_agg(role, ', ' ORDER BY role COLLATE "C")
                        FROM (SELECT CASE id WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(id)) END AS role
                              FROM unnest(p.polroles) AS id) AS roles),
                 'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') AS definition
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN own_schema s ON s.oid = c.relnamespace
