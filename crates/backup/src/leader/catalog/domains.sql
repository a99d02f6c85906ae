-- Their constraints are among the constraints.
SELECT t.name AS identity,
       concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                 'COLLATE ' || CASE WHEN t.typcollation <> b.typcollation
                     THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) END,
                 CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                 'DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault)) AS definition
FROM own_type t
JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_collation c ON c.oid = t.typcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE t.typtype = 'd'
