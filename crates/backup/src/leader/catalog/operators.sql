-- An operator without a function is only the promise of one.
SELECT o.oid::regoperator::text AS identity,
       concat_ws(' ', o.oprcode::regprocedure, 'returns', format_type(o.oprresult, NULL),
                 'commutator ' || nullif(o.oprcom, 0)::regoperator, 'negator ' || nullif(o.oprnegate, 0)::regoperator,
                 'restrict', o.oprrest, 'join', o.oprjoin,
                 CASE WHEN o.oprcanmerge THEN 'merges' END, CASE WHEN o.oprcanhash THEN 'hashes' END) AS definition
FROM pg_operator o JOIN own_schema s ON s.oid = o.oprnamespace
WHERE o.oprcode <> 0 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
