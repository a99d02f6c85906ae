SELECT r.name AS identity,
       concat_ws(E'\n', CASE WHEN NOT r.relispopulated THEN 'not populated' END,
                 'access method ' || quote_ident(a.amname),
                 'with ' || nullif(array_to_string(ARRAY(SELECT o FROM unnest(r.reloptions) o ORDER BY o COLLATE "C"), ' '), ''),
                 pg_get_viewdef(r.oid)) AS definition
FROM own_relation r LEFT JOIN pg_am a ON a.oid = r.relam
WHERE r.relkind = 'm'
