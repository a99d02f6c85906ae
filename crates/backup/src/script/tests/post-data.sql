--
-- PostgreSQL database dump
--

\restrict abc

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

--
-- Name: a a_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_pkey PRIMARY KEY (id);

ALTER TABLE public.a CLUSTER ON a_pkey;


--
-- Name: atomic(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.atomic() RETURNS SETOF text
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT a.name
    FROM public.a
   GROUP BY a.id;
END;


ALTER FUNCTION public.atomic() OWNER TO postgres;

SET default_table_access_method = heap;

--
-- Name: grouped_m; Type: MATERIALIZED VIEW; Schema: public; Owner: postgres
--

CREATE MATERIALIZED VIEW public.grouped_m AS
 SELECT a.id,
    a.name,
    count(*) AS count
   FROM public.a
  GROUP BY a.id
  WITH NO DATA;


ALTER TABLE public.grouped_m OWNER TO postgres;

--
-- Name: B "quoted" ONLY B "quoted" ONLY_pkey; Type: CONSTRAINT; Schema: odd; schema; Owner: postgres
--

ALTER TABLE ONLY "odd; schema"."B ""quoted"" ONLY"
    ADD CONSTRAINT "B ""quoted"" ONLY_pkey" PRIMARY KEY (id);


--
-- Name: B "quoted" ONLY B "quoted" ONLY_select_key; Type: CONSTRAINT; Schema: odd; schema; Owner: postgres
--

ALTER TABLE ONLY "odd; schema"."B ""quoted"" ONLY"
    ADD CONSTRAINT "B ""quoted"" ONLY_select_key" UNIQUE ("select");

ALTER TABLE ONLY "odd; schema"."B ""quoted"" ONLY" REPLICA IDENTITY USING INDEX "B ""quoted"" ONLY_select_key";


--
-- Name: a a_name; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_name UNIQUE NULLS NOT DISTINCT (name);


--
-- Name: CONSTRAINT a_name ON a; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON CONSTRAINT a_name ON public.a IS 'two
-- lines; Type: INDEX';


--
-- Name: a a_room_during_excl; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_room_during_excl EXCLUDE USING gist (room WITH =, during WITH &&);


--
-- Name: p p_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.p
    ADD CONSTRAINT p_pkey PRIMARY KEY (id, at);


--
-- Name: p1 p1_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.p1
    ADD CONSTRAINT p1_pkey PRIMARY KEY (id, at);


--
-- Name: p2 p2_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.p2
    ADD CONSTRAINT p2_pkey PRIMARY KEY (id, at);


--
-- Name: q q_check; Type: CHECK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE public.q
    ADD CONSTRAINT q_check CHECK ((public.fold('x'::text) = 'x'::text)) NOT VALID;


--
-- Name: a "expr" on public.b USING btree; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX "a ""expr"" on public.b USING btree" ON public.a USING btree (((name || ' ON public.b USING'::text)), ((room + 1))) INCLUDE (during);


--
-- Name: a_fold; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX a_fold ON public.a USING btree (public.fold(name)) WHERE (name IS NOT NULL);
ALTER INDEX public.a_fold ALTER COLUMN 1 SET STATISTICS 100;


--
-- Name: a_tags; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX a_tags ON public.a USING gin (tags jsonb_path_ops);


--
-- Name: INDEX a_tags; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON INDEX public.a_tags IS 'CREATE INDEX x ON y;';


--
-- Name: grouped_mi; Type: INDEX; Schema: public; Owner: postgres
--

CREATE UNIQUE INDEX grouped_mi ON public.grouped_m USING btree (id);


--
-- Name: p_a; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX p_a ON ONLY public.p USING btree (a);


--
-- Name: p1_a_idx; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX p1_a_idx ON public.p1 USING btree (a);


--
-- Name: p2_a_idx; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX p2_a_idx ON public.p2 USING btree (a);


--
-- Name: u_id_idx; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX u_id_idx ON public.u USING brin (id);


--
-- Name: u_id_idx1; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX u_id_idx1 ON public.u USING hash (id);


--
-- Name: u_tree_idx; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX u_tree_idx ON public.u USING spgist (tree);


--
-- Name: p1_a_idx; Type: INDEX ATTACH; Schema: public; Owner: postgres
--

ALTER INDEX public.p_a ATTACH PARTITION public.p1_a_idx;


--
-- Name: p1_pkey; Type: INDEX ATTACH; Schema: public; Owner: postgres
--

ALTER INDEX public.p_pkey ATTACH PARTITION public.p1_pkey;


--
-- Name: p2_a_idx; Type: INDEX ATTACH; Schema: public; Owner: postgres
--

ALTER INDEX public.p_a ATTACH PARTITION public.p2_a_idx;


--
-- Name: p2_pkey; Type: INDEX ATTACH; Schema: public; Owner: postgres
--

ALTER INDEX public.p_pkey ATTACH PARTITION public.p2_pkey;


--
-- Name: st; Type: STATISTICS; Schema: public; Owner: postgres
--

CREATE STATISTICS public.st ON id, a FROM public.p1;


ALTER STATISTICS public.st OWNER TO postgres;

--
-- Name: grouped _RETURN; Type: RULE; Schema: public; Owner: postgres
--

CREATE OR REPLACE VIEW public.grouped AS
 SELECT a.id,
    a.name
   FROM public.a
  GROUP BY a.id;


--
-- Name: q r; Type: RULE; Schema: public; Owner: postgres
--

CREATE RULE r AS
    ON DELETE TO public.q DO ( SELECT 1 AS "?column?";
 SELECT 2 AS "?column?";
);


--
-- Name: q t; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER t BEFORE INSERT ON public.q FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();


--
-- Name: B "quoted" ONLY B "quoted" ONLY_a_fkey; Type: FK CONSTRAINT; Schema: odd; schema; Owner: postgres
--

ALTER TABLE ONLY "odd; schema"."B ""quoted"" ONLY"
    ADD CONSTRAINT "B ""quoted"" ONLY_a_fkey" FOREIGN KEY (a) REFERENCES public.a(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: p p_a_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE public.p
    ADD CONSTRAINT p_a_fkey FOREIGN KEY (a) REFERENCES public.a(id);


--
-- Name: q q_id_at_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.q
    ADD CONSTRAINT q_id_at_fkey FOREIGN KEY (id, at) REFERENCES public.p(id, at);


--
-- Name: q pol; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY pol ON public.q USING (true);


--
-- Name: q; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.q ENABLE ROW LEVEL SECURITY;

--
-- Name: grouped_m; Type: MATERIALIZED VIEW DATA; Schema: public; Owner: postgres
--

REFRESH MATERIALIZED VIEW public.grouped_m;


--
-- PostgreSQL database dump complete
--

\unrestrict abc

