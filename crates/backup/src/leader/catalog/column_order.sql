-- A table that inherits gets its parents' columns first when it is restored, wherever they stood.
SELECT r.name AS identity, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS definition
FROM own_relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE r.relkind IN ('r', 'p', 'f')
  AND (r.relispartition OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = r.oid))
GROUP BY r.name
