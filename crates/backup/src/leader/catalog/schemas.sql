-- public comes with every database.
SELECT s.name AS identity, 'schema' AS definition
FROM own_schema s
WHERE s.name <> 'public'
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = s.oid)
