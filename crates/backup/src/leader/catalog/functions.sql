-- And procedures and window functions.
SELECT p.name AS identity, pg_get_functiondef(p.oid) AS definition
FROM own_function p
WHERE p.prokind <> 'a'
