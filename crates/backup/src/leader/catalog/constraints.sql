-- The server makes the foreign keys of partitions itself, under names that it chooses.
SELECT coalesce(r.name, t.name) || '.' || quote_ident(c.conname) AS identity, pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c
LEFT JOIN own_relation r ON r.oid = c.conrelid
LEFT JOIN own_type t ON t.oid = c.contypid
WHERE (r.oid IS NOT NULL OR t.oid IS NOT NULL) AND c.contype <> 't' AND NOT (c.contype = 'f' AND c.conparentid <> 0)
