-- With the operators and functions of their classes.
SELECT s.name || '.' || quote_ident(f.opfname) || ' USING ' || quote_ident(a.amname) AS identity,
       concat_ws(E'\n',
           (SELECT string_agg(concat_ws(' ', o.amopstrategy, o.amopopr::regoperator, 'order by ' || quote_ident(b.opfname)),
                              E'\n' ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C")
            FROM pg_amop o LEFT JOIN pg_opfamily b ON b.oid = o.amopsortfamily WHERE o.amopfamily = f.oid),
           (SELECT string_agg(concat_ws(' ', p.amprocnum, format_type(p.amproclefttype, NULL), format_type(p.amprocrighttype, NULL), p.amproc::regprocedure),
                              E'\n' ORDER BY p.amprocnum, format_type(p.amproclefttype, NULL) COLLATE "C", format_type(p.amprocrighttype, NULL) COLLATE "C")
            FROM pg_amproc p WHERE p.amprocfamily = f.oid)
       ) AS definition
FROM pg_opfamily f JOIN own_schema s ON s.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opfamily'::regclass AND m.objid = f.oid)
