-- Of tables and their partitions, and of indexes.
SELECT r.name AS identity,
       string_agg(quote_ident(n.nspname) || '.' || quote_ident(p.relname), ', ' ORDER BY i.inhseqno) AS definition
FROM own_relation r
JOIN pg_inherits i ON i.inhrelid = r.oid
JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_namespace n ON n.oid = p.relnamespace
GROUP BY r.name
