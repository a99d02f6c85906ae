-- Where they differ from what the object was born with: from an extension or the server, or else from the default.
-- Of extensions and of pg_catalog too: pg_dump prints what was changed there. Owners are a class of their own, so here
-- the owner has no name. A public that was dropped and made again has lost what it was born with, and the next has not.
, changed AS (
    SELECT o.*, coalesce(o.acl, acldefault(o.kind, o.owner)) AS now, coalesce(b.initprivs, acldefault(o.kind, o.owner)) AS born,
           n.nspname = 'public' AND o.kind = 'n' AS is_public
    FROM object o
    LEFT JOIN pg_init_privs b ON b.classoid = o.classid AND b.objoid = o.objid AND b.objsubid = o.objsubid
    LEFT JOIN pg_namespace n ON n.oid = o.namespace
    WHERE o.kind IS NOT NULL AND (o.acl IS NOT NULL OR b.initprivs IS NOT NULL OR n.nspname = 'public' AND o.kind = 'n')
      AND coalesce(n.nspname = 'pg_catalog' OR n.nspname !~ '^pg_' AND n.nspname <> 'information_schema', true)
), item AS (
    SELECT c.classid, c.objid, c.objsubid, c.is_public, x.is_born,
           string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type COLLATE "C")
               || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' WHEN c.owner THEN '(owner)' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
               || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
               || CASE WHEN a.grantor <> c.owner THEN ' BY ' || quote_ident(pg_get_userbyid(a.grantor)) ELSE '' END AS text
    FROM changed c
    CROSS JOIN LATERAL (VALUES (false, c.now), (true, c.born)) AS x (is_born, acl)
    LEFT JOIN LATERAL aclexplode(x.acl) a ON true
    GROUP BY c.classid, c.objid, c.objsubid, c.is_public, x.is_born, c.owner, a.grantee, a.grantor, a.is_grantable
), told AS (
    SELECT classid, objid, objsubid, is_public,
           coalesce(string_agg(text, '; ' ORDER BY text COLLATE "C") FILTER (WHERE NOT is_born), 'none') AS now,
           coalesce(string_agg(text, '; ' ORDER BY text COLLATE "C") FILTER (WHERE is_born), 'none') AS born
    FROM item GROUP BY classid, objid, objsubid, is_public
)
SELECT i.type || ' ' || i.identity AS identity, t.now AS definition
FROM told t CROSS JOIN LATERAL pg_identify_object(t.classid, t.objid, t.objsubid) i
WHERE t.now <> CASE
    WHEN NOT coalesce(t.is_public, false) THEN t.born
    WHEN current_setting('server_version_num')::int < 150000 THEN 'CREATE, USAGE TO (owner); CREATE, USAGE TO PUBLIC'
    ELSE 'CREATE, USAGE TO (owner); USAGE TO PUBLIC' END
UNION ALL
SELECT 'large objects of ' || quote_ident(pg_get_userbyid(l.lomowner)) || ' with ' || l.acl, count(*)::text
FROM (SELECT lomowner, array_to_string(ARRAY(SELECT a::text FROM unnest(lomacl) a ORDER BY a::text COLLATE "C"), ' ') AS acl
      FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL) AS l
GROUP BY l.lomowner, l.acl
