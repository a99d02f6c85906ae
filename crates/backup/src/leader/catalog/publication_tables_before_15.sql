SELECT quote_ident(p.pubname) || ' TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS identity, 'table' AS definition
FROM pg_publication_rel x
JOIN pg_publication p ON p.oid = x.prpubid
JOIN pg_class c ON c.oid = x.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
