SELECT t.name AS identity,
       CASE
       WHEN NOT t.typisdefined THEN 'shell'
       WHEN t.typtype = 'e' THEN
           'enum (' || coalesce((SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                                 FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
       WHEN t.typtype = 'c' THEN
           'composite (' || coalesce((
               SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                                           'COLLATE ' || CASE WHEN a.attcollation <> at.typcollation
                                               THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) END),
                                 ', ' ORDER BY a.attnum)
               FROM pg_attribute a
               JOIN pg_type at ON at.oid = a.atttypid
               LEFT JOIN pg_collation c ON c.oid = a.attcollation
               LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'
       WHEN t.typtype = 'r' THEN (
           SELECT concat_ws(' ', 'range of', format_type(r.rngsubtype, NULL), 'collation ' || quote_ident(cn.nspname) || '.' || quote_ident(c.collname),
                            'operator class', quote_ident(n.nspname) || '.' || quote_ident(o.opcname),
                            'canonical', r.rngcanonical, 'difference', r.rngsubdiff,
                            'multirange ' || format_type((to_jsonb(r) ->> 'rngmultitypid')::oid, NULL))
           FROM pg_range r
           JOIN pg_opclass o ON o.oid = r.rngsubopc
           JOIN pg_namespace n ON n.oid = o.opcnamespace
           LEFT JOIN pg_collation c ON c.oid = r.rngcollation
           LEFT JOIN pg_namespace cn ON cn.oid = c.collnamespace
           WHERE r.rngtypid = t.oid)
       ELSE
           concat_ws(' ', 'base', 'of ' || format_type(nullif(t.typelem, 0), NULL), 'collatable ' || (t.typcollation <> 0)) || ' ' || (
               SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(t))
               WHERE key IN ('typlen', 'typbyval', 'typcategory', 'typispreferred', 'typdelim', 'typalign', 'typstorage', 'typdefault',
                             'typinput', 'typoutput', 'typreceive', 'typsend', 'typmodin', 'typmodout', 'typanalyze', 'typsubscript'))
       END AS definition
FROM own_type t
WHERE t.typtype <> 'd'
