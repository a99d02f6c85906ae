-- pg_dump prints them for superusers only. Only columns that every role may read: connections hold passwords.
SELECT quote_ident(s.subname) AS identity,
       'publications ' || array_to_string(ARRAY(SELECT quote_ident(p) FROM unnest(s.subpublications) p ORDER BY p COLLATE "C"), ', ') AS definition
FROM pg_subscription s
WHERE current_setting('is_superuser') = 'on'
  AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
