-- Counts: their pages are among the rows, and listing millions of them would prove little more.
SELECT 'owner ' || quote_ident(pg_get_userbyid(l.lomowner)) AS identity, count(*)::text AS definition
FROM pg_largeobject_metadata l GROUP BY l.lomowner
