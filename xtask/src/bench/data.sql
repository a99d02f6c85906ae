-- The benchmark's database. Every value is a function of its row number, so two machines and two runs dump the same bytes.
-- psql variable `rows`: 1000000 for about 1.2 GB on disk and 830 MiB as a plain dump; everything else scales with it.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET timezone = 'UTC';

-- A number in [0, 1) that depends on the row and on what it is used for, and on nothing else.
CREATE FUNCTION pg_temp.fraction(row_number bigint, purpose bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(row_number, purpose) & 4503599627370495)::float8 / 4503599627370496.0 $$;

-- Frequent words are short and come first; squaring the fraction prefers them, as prose does.
CREATE TEMP TABLE vocabulary AS
SELECT array_agg(word ORDER BY position) AS words
FROM (
    SELECT position, word
    FROM unnest(string_to_array(
        'the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one '
        'you were her all she there would their we him been has when who will more no if out so said what up its about into than them can only other '
        'new some could time these two may then do first any my now such like our over man me even most made after also did many before must through '
        'back years where much your way well down should because each just those people how too little state good very make world still own see men work long '
        'get here between both life being under never day same another know while last might us great old year off come since against go came right used take three '
        'order invoice customer payment refund delivery warehouse product price discount account balance transfer currency report monthly summary review pending approved', ' '))
        WITH ORDINALITY AS common(word, position)
    UNION ALL
    SELECT 1000 + n,
           (ARRAY['con','per','inter','re','de','ex','pro','trans','sub','ad','in','ob'])[1 + n % 12]
        || (ARRAY['tract','form','ject','scrib','duc','vert','mit','spect','port','cede','fer','pos','clud'])[1 + n / 12 % 13]
        || (ARRAY['','ed','ing','ion','s','or','able','ive','ment','ance','ual'])[1 + n / 156 % 11]
    FROM generate_series(0, 1715) AS n
) AS all_words;

-- A local variable keeps the array unpacked; a column would be detoasted for every word.
CREATE FUNCTION pg_temp.prose(row_number bigint, word_count integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    words text[] := (SELECT vocabulary.words FROM pg_temp.vocabulary);
    prose text := '';
BEGIN
    FOR w IN 1 .. word_count LOOP
        prose := prose || words[1 + (pg_temp.fraction(row_number * 1000 + w, 41) ^ 2 * 1860)::int]
              || CASE WHEN w % 14 = 0 THEN E'.\n' ELSE ' ' END;
    END LOOP;
    RETURN prose;
END $$;

CREATE TEMP TABLE choices AS SELECT words[1:60] || words[300:400] AS words,
    ARRAY['eu-central','us-east','us-west','ap-south'] AS regions,
    ARRAY['page_view','click','purchase','sign_in','sign_out','search','error'] AS kinds,
    ARRAY['Mozilla/5.0 (X11; Linux x86_64)','Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)','curl/8.5.0','okhttp/4.12.0'] AS agents FROM vocabulary;

-- Narrow, many rows: most of the dump's lines.
CREATE TABLE ledger (id bigint, account_id integer, amount numeric(12,2), booked_on date, kind smallint);
INSERT INTO ledger
SELECT n, (pg_temp.fraction(n, 1) * 200000)::int, (pg_temp.fraction(n, 2) * 100000)::numeric(12,2) - 20000,
       date '2020-01-01' + (n * 2000 / (:rows * 2))::int, (pg_temp.fraction(n, 3) * 9)::smallint
FROM generate_series(1::bigint, :rows * 2) AS n;

-- UUID keys and short text.
CREATE TABLE customer (id uuid, email text, full_name text, country char(2), created_at timestamptz, active boolean, note text);
INSERT INTO customer
SELECT md5('customer' || n)::uuid,
       words[1 + (pg_temp.fraction(n, 11) * 160)::int] || '.' || words[1 + (pg_temp.fraction(n, 12) * 160)::int] || n || '@example.org',
       initcap(words[1 + (pg_temp.fraction(n, 13) * 160)::int] || ' ' || words[1 + (pg_temp.fraction(n, 14) * 160)::int]),
       (ARRAY['DE','FR','US','IN','BR','JP'])[1 + (pg_temp.fraction(n, 15) * 5)::int],
       timestamptz '2021-03-01 00:00:00Z' + n * interval '97.013 seconds', pg_temp.fraction(n, 16) < 0.8,
       CASE WHEN pg_temp.fraction(n, 17) < 0.2 THEN E'called back;\tasked for a refund\nsecond line' END
FROM generate_series(1::bigint, :rows * 3 / 10) AS n, choices;

-- JSONB with a GIN index: the index that dominates a restore.
CREATE TABLE event (id bigint, session uuid, at timestamptz, payload jsonb);
INSERT INTO event
SELECT n, md5('session' || n / 7)::uuid, timestamptz '2024-01-01 00:00:00Z' + n * interval '11.3711 seconds',
       jsonb_build_object(
           'kind', kinds[1 + (pg_temp.fraction(n, 21) * 6)::int],
           'path', '/' || words[1 + (pg_temp.fraction(n, 22) * 160)::int] || '/' || (pg_temp.fraction(n, 23) * 90000)::int,
           'duration_ms', (pg_temp.fraction(n, 24) * 30000)::int,
           'client', jsonb_build_object('agent', agents[1 + (pg_temp.fraction(n, 25) * 3)::int],
                                        'region', regions[1 + (pg_temp.fraction(n, 26) * 3)::int],
                                        'ip', concat_ws('.', 10, (pg_temp.fraction(n, 27) * 255)::int, (pg_temp.fraction(n, 28) * 255)::int, n % 251)),
           'tags', jsonb_build_array(words[1 + (pg_temp.fraction(n, 29) ^ 2 * 160)::int], words[1 + (pg_temp.fraction(n, 30) ^ 2 * 160)::int]),
           'trace', md5('trace' || n))
FROM generate_series(1::bigint, :rows) AS n, choices;

-- Prose: long lines.
CREATE TABLE document (id bigint, author uuid, title text, body text, revised_at timestamp);
INSERT INTO document
SELECT n, md5('customer' || 1 + n % (:rows * 3 / 10))::uuid, 'Report ' || n,
       pg_temp.prose(n, 180 + (n % 90)::int),
       timestamp '2022-06-01' + n * interval '7 minutes'
FROM generate_series(1::bigint, :rows * 12 / 100) AS n;

-- bytea that does not compress, beyond TOAST's threshold and below it.
CREATE TABLE attachment (id bigint, document_id bigint, media_type text, content bytea);
ALTER TABLE attachment ALTER content SET STORAGE EXTERNAL;
INSERT INTO attachment
SELECT n, n * 10, CASE n % 3 WHEN 0 THEN 'image/png' WHEN 1 THEN 'application/pdf' ELSE 'image/jpeg' END,
       (SELECT string_agg(sha256(int8send(n * 1000 + k)), '' ORDER BY k) FROM generate_series(1, 20 + (n % 200)::int) AS k)
FROM generate_series(1::bigint, :rows * 24 / 1000) AS n;

-- Wide rows: many short columns, a third of them NULL.
SELECT format('CREATE TABLE reading (id bigint, device integer, at timestamptz, %s, %s, %s)',
    string_agg(format('measure_%s float8', c), ', '), string_agg(format('count_%s integer', c), ', '),
    string_agg(format('state_%s text', c), ', ')) FROM generate_series(1, 12) AS c \gexec
SELECT format('INSERT INTO reading SELECT n, (n %% 500)::int, timestamptz ''2023-05-05 00:00:00Z'' + n * interval ''1 minute'', %s, %s, %s '
    'FROM generate_series(1::bigint, %s) AS n',
    string_agg(format('round((pg_temp.fraction(n, %s) * 1000)::numeric, 3)::float8', 100 + c), ', '),
    string_agg(format('CASE WHEN n %% %s < 2 THEN (pg_temp.fraction(n, %s) * 5000)::int END', c % 5 + 2, 200 + c), ', '),
    string_agg(format('(ARRAY[''ok'',''warn'',''fail'',NULL])[1 + (pg_temp.fraction(n, %s) ^ 3 * 3)::int]', 300 + c), ', '),
    :rows * 2 / 10) FROM generate_series(1, 12) AS c \gexec

ALTER TABLE ledger ADD PRIMARY KEY (id);
ALTER TABLE customer ADD PRIMARY KEY (id);
ALTER TABLE event ADD PRIMARY KEY (id);
ALTER TABLE document ADD PRIMARY KEY (id);
ALTER TABLE attachment ADD PRIMARY KEY (id);
ALTER TABLE reading ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON customer (email);
CREATE INDEX ON ledger (account_id, booked_on);
CREATE INDEX ON event (session);
CREATE INDEX ON event USING gin (payload);
CREATE INDEX ON reading (device, at);
ALTER TABLE document ADD FOREIGN KEY (author) REFERENCES customer;
ALTER TABLE attachment ADD CHECK (octet_length(content) > 0);
VACUUM ANALYZE;
