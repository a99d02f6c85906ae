use super::super::{Built, OnRows, StatementKind, Statements, on_rows};

/// Post-data as pg_dump 15 prints it; 18 prints all that is looked for here alike.
const POST_DATA: &str = include_str!("post-data.sql");

fn built(statement: &[u8]) -> Option<String> {
    let OnRows { what, table, method, calls } = on_rows(statement)?;
    let name = format!("{}/{}", table.schema?, table.name);
    let calls = if calls { " calls" } else { "" };
    Some(match what {
        Built::Index => format!("index {method} on {name}{calls}"),
        Built::Constraint => format!("constraint {method} on {name}{calls}"),
        Built::ForeignKey(to) => format!("{name} refers to {}/{}", to.schema?, to.name),
    })
}

#[test]
fn what_pg_dump_prints_after_rows_is_told_apart() {
    let statements = Statements::new(POST_DATA.as_bytes()).map(|statement| statement.unwrap());
    let found: Vec<_> = statements
        .filter(|statement| statement.kind == StatementKind::Sql)
        .filter_map(|statement| built(statement.body()))
        .collect();
    let expect = [
        "constraint btree on public/a",
        r#"constraint btree on odd; schema/B "quoted" ONLY"#,
        r#"constraint btree on odd; schema/B "quoted" ONLY"#,
        "constraint btree on public/a",
        "constraint gist on public/a",
        "constraint btree on public/p",
        "constraint btree on public/p1",
        "constraint btree on public/p2",
        "index btree on public/a",
        "index btree on public/a calls",
        "index gin on public/a",
        "index btree on public/grouped_m",
        "index btree on public/p1",
        "index btree on public/p2",
        "index brin on public/u",
        "index hash on public/u",
        "index spgist on public/u",
        r#"odd; schema/B "quoted" ONLY refers to public/a"#,
        "public/p refers to public/a",
        "public/q refers to public/p",
    ];
    assert_eq!(found, expect);
}

#[test]
fn what_only_looks_like_one_is_left_in_its_place() {
    for statement in [
        "CREATE INDEX i ON ONLY public.p USING btree (a);",
        "ALTER TABLE public.q ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID;",
        "ALTER TABLE ONLY public.q ADD CONSTRAINT c NOT NULL a NOT VALID;",
        "ALTER TABLE public.a CLUSTER ON a_pkey;",
        "ALTER TABLE ONLY public.a REPLICA IDENTITY USING INDEX a_pkey;",
        "ALTER INDEX public.p_pkey ATTACH PARTITION public.p1_pkey;",
        "ALTER INDEX public.a_fold ALTER COLUMN 1 SET STATISTICS 100;",
        "COMMENT ON INDEX public.i IS 'CREATE INDEX i ON public.a USING btree (a)';",
        "CREATE STATISTICS public.s ON a, b FROM public.p1;",
        "CREATE VIEW public.v AS SELECT 1;",
        "-- CREATE INDEX i ON public.a USING btree (a);\nSELECT 1;",
    ] {
        assert_eq!(built(statement.as_bytes()), None, "{statement}");
    }
}

#[test]
fn a_table_called_like_a_keyword_is_a_table() {
    let on = |statement: &str| built(statement.as_bytes()).unwrap();
    assert_eq!(on("CREATE INDEX i ON \"only\".\"only\" USING btree (a);"), "index btree on only/only");
    assert_eq!(on("CREATE UNIQUE INDEX \"on\" ON a.b USING gin (a public.ops);"), "index gin on a/b");
    let references =
        "ALTER TABLE ONLY a.b ADD CONSTRAINT \"references\" FOREIGN KEY (\"references\") REFERENCES c.\"d e\"(x);";
    assert_eq!(on(references), "a/b refers to c/d e");
}

#[test]
fn names_may_all_be_quoted() {
    let on = |statement: &str| built(statement.as_bytes()).unwrap();
    let index = r#"CREATE UNIQUE INDEX "i" ON "public"."a" USING "gist" ("public"."f"("x"));"#;
    assert_eq!(on(index), "index gist on public/a calls");
    let key = r#"ALTER TABLE ONLY "public"."a" ADD CONSTRAINT "a_pkey" PRIMARY KEY ("id");"#;
    assert_eq!(on(key), "constraint btree on public/a");
    let exclude = r#"ALTER TABLE ONLY "public"."a" ADD CONSTRAINT "e" EXCLUDE USING "gist" ("x" WITH &&);"#;
    assert_eq!(on(exclude), "constraint gist on public/a");
    let foreign =
        r#"ALTER TABLE ONLY "public"."a" ADD CONSTRAINT "f" FOREIGN KEY ("x") REFERENCES "public"."b"("id");"#;
    assert_eq!(on(foreign), "public/a refers to public/b");
}

#[test]
fn functions_and_operators_of_the_database_are_seen() {
    let calls = |statement: &str| on_rows(statement.as_bytes()).unwrap().calls;
    assert!(calls("CREATE INDEX i ON a.b USING btree (lower(x)) WHERE (\"S\".\"f\"(x) > 1);"));
    assert!(calls("CREATE INDEX i ON a.b USING btree (((x OPERATOR(public.+) y)));"));
    assert!(!calls("CREATE INDEX i ON a.b USING btree (lower(x), ('public.f('::text || x));"));
    assert!(!calls("CREATE INDEX i ON a.b USING gin (x public.gin_trgm_ops) WHERE (x IS NOT NULL);"));
}
