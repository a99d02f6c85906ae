-- A class of its own: a target may have other tablespaces.
SELECT r.name AS identity, quote_ident(t.spcname) AS definition
FROM own_relation r JOIN pg_tablespace t ON t.oid = r.reltablespace
