-- An index, trigger or constraint of an extension's table is no member of it and not dumped either;
-- nor is an invalid index.
SELECT i.type || ' ' || i.identity AS identity, d.description AS definition
FROM pg_description d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
  AND (d.objoid >= 16384 OR i.identity = 'public')
  AND d.classoid <> 'pg_subscription'::regclass
  AND NOT (d.classoid = 'pg_namespace'::regclass AND i.identity = 'public' AND d.description = 'standard public schema')
  AND coalesce(i.schema !~ '^"?pg_' AND i.schema <> 'information_schema', true)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
  AND NOT EXISTS (
      SELECT FROM pg_depend p JOIN member m ON m.classid = p.refclassid AND m.objid = p.refobjid
      WHERE p.classid = d.classoid AND p.objid = d.objoid AND p.deptype IN ('a', 'i') AND d.classoid <> 'pg_policy'::regclass)
  AND NOT (d.classoid = 'pg_class'::regclass AND EXISTS (
      SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
      WHERE x.indexrelid = d.objoid AND c.relkind = 'i' AND NOT x.indisvalid))
