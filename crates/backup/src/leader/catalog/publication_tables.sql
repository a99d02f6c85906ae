SELECT quote_ident(p.pubname) || ' TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS identity,
       concat_ws(' ', 'table',
                 (SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") || ')'
                  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.prattrs)),
                 'WHERE ' || pg_get_expr(x.prqual, x.prrelid)) AS definition
FROM pg_publication_rel x
JOIN pg_publication p ON p.oid = x.prpubid
JOIN pg_class c ON c.oid = x.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT quote_ident(p.pubname) || ' SCHEMA ' || quote_ident(n.nspname), 'schema'
FROM pg_publication_namespace x
JOIN pg_publication p ON p.oid = x.pnpubid
JOIN pg_namespace n ON n.oid = x.pnnspid
