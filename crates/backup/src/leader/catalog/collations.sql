-- The version is the library's, not the collation's own; a dump tells no encoding, and the copy has its database's.
SELECT s.name || '.' || quote_ident(c.collname) AS identity,
       (to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion,collencoding}'::text[])::text AS definition
FROM pg_collation c JOIN own_schema s ON s.oid = c.collnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_collation'::regclass AND m.objid = c.oid)
