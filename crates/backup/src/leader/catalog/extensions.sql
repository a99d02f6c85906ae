-- Not their versions: a dump does not name them. plpgsql comes with every database.
SELECT quote_ident(e.extname) AS identity, 'schema ' || quote_ident(n.nspname) AS definition
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql'
