SELECT r.name AS identity,
       concat_ws(E'\n', 'with ' || nullif(array_to_string(ARRAY(SELECT o FROM unnest(r.reloptions) o ORDER BY o COLLATE "C"), ' '), ''),
                 pg_get_viewdef(r.oid)) AS definition
FROM own_relation r
WHERE r.relkind = 'v'
