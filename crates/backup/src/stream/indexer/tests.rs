use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use lifeboat_core::codec::{Compression, Fingerprint, ObjectWriter, PartSink, Sha256, gunzip};
use lifeboat_core::index::{Content, Section};
use lifeboat_core::store::layout::Piece;
use lifeboat_core::{Kind, Result};

use super::super::outline::Script;
use super::super::output::{Objects, ScriptWriter};
use super::{CopiedRelation, Cuts, Indexer, PREAMBLE};

type Bodies = Rc<RefCell<Vec<Vec<u8>>>>;

struct Kept {
    objects: Bodies,
    part_bytes: usize,
}

struct KeptObject(Bodies, usize);

impl Objects for Kept {
    type Sink = KeptObject;

    fn open(&mut self, name: &str) -> Result<ObjectWriter<KeptObject>> {
        let mut objects = self.objects.borrow_mut();
        assert_eq!(name, format!("dump-{:04}.sql.gz", objects.len()));
        objects.push(Vec::new());
        Ok(ObjectWriter::new(
            KeptObject(Rc::clone(&self.objects), objects.len() - 1),
            self.part_bytes,
            Compression::Gzip,
            None,
        ))
    }
}

impl PartSink for KeptObject {
    fn part(&mut self, bytes: Bytes, _: bool) -> Result<()> {
        self.0.borrow_mut()[self.1].extend_from_slice(&bytes);
        Ok(())
    }
}

const WIDE: Cuts = Cuts {
    part_bytes: 1 << 20,
    parts_max: 10_000,
    chunk_bytes: 1 << 30,
    sql_range_bytes: 1 << 20,
    piece: Piece::Dump,
    compression: Compression::Gzip,
};

const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n
--\n-- Name: a; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE public.a (x integer, y text);\n\n
--\n-- Data for Name: a; Type: TABLE DATA; Schema: public; Owner: o\n--\n
COPY public.a (x, y) FROM stdin;\n1\tone\n2\t\\N\n3\tthree\n\\.\n\n
--\n-- Data for Name: b; Type: TABLE DATA; Schema: public; Owner: o\n--\n
COPY public.\"b c\"  FROM stdin;\n\n\n\\.\n\n
--\n-- Name: s; Type: SEQUENCE SET; Schema: public; Owner: o\n--\n
SELECT pg_catalog.setval('public.s', 42, true);\n\n
--\n-- Name: a a_pkey; Type: CONSTRAINT; Schema: public; Owner: o\n--\n
ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (x);\n\n
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n";

fn index(dump: &str, slice: usize, cuts: Cuts) -> Result<(Script, Vec<Vec<u8>>)> {
    let bodies = Bodies::default();
    let kept = Kept { objects: Rc::clone(&bodies), part_bytes: cuts.part_bytes };
    let mut indexer = Indexer::new(ScriptWriter::new(kept, "dump-0000.sql.gz".into())?, cuts)?;
    for input in dump.as_bytes().chunks(slice) {
        indexer.push(input)?;
    }
    let (outline, writer) = indexer.end()?;
    let script = outline.at(writer.finish()?);
    let objects = bodies.take();
    Ok((script, objects))
}

fn read(script: &Script, objects: &[Vec<u8>], position: usize) -> Vec<u8> {
    let range = &script.ranges[position];
    let start = usize::try_from(range.bytes.offset).unwrap();
    let bytes = &objects[range.object][start..start + usize::try_from(range.bytes.length).unwrap()];
    assert_eq!(Sha256::of(bytes), range.bytes.sha256);
    let sql = gunzip(bytes).unwrap();
    assert_eq!(sql.len() as u64, range.bytes.sql_bytes);
    sql
}

fn fingerprint(lines: &[&str]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    lines.iter().for_each(|line| fingerprint.add_line(line.as_bytes()));
    fingerprint
}

#[test]
fn the_objects_are_the_preamble_and_the_dump_in_slices_and_parts_of_any_size() {
    for slice in [1, 7, 64, 4096] {
        for part_bytes in [50, 1 << 20] {
            let cuts = Cuts {
                part_bytes,
                parts_max: 5,
                chunk_bytes: 8,
                sql_range_bytes: 30,
                piece: Piece::Dump,
                compression: Compression::Gzip,
            };
            let (script, objects) = index(DUMP, slice, cuts).unwrap();
            let sql: Vec<u8> = (0..script.ranges.len()).flat_map(|at| read(&script, &objects, at)).collect();
            assert_eq!(String::from_utf8(sql).unwrap(), String::from_utf8(PREAMBLE.to_vec()).unwrap() + DUMP);
            assert_eq!(script.objects.len(), objects.len());
            for ((_, object), bytes) in script.objects.iter().zip(&objects) {
                assert_eq!((object.length, object.sha256), (bytes.len() as u64, Sha256::of(bytes)));
            }
        }
    }
}

fn columns_of(relation: &CopiedRelation) -> String {
    relation.columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn every_relation_has_its_columns_and_its_rows() {
    let (script, _) = index(DUMP, 5, WIDE).unwrap();
    let found: Vec<_> = script.relations.iter().map(|r| (r.name.to_string(), columns_of(r), r.fingerprint)).collect();
    let expect = [
        ("a".to_owned(), "x,y".to_owned(), fingerprint(&["1\tone", "2\t\\N", "3\tthree"])),
        ("b c".to_owned(), String::new(), fingerprint(&["", ""])),
    ];
    assert_eq!(found, expect);
    assert_eq!((script.sequences[0].name.to_string(), script.sequences[0].value), ("s".to_owned(), 42));
}

#[test]
fn a_block_is_cut_between_rows_and_its_ends_are_marked() {
    let (script, objects) = index(DUMP, 3, Cuts { chunk_bytes: 1, ..WIDE }).unwrap();
    let mut rows = Vec::new();
    for (position, range) in script.ranges.iter().enumerate() {
        if let Content::Rows(content) = &range.content {
            let text = String::from_utf8(read(&script, &objects, position)).unwrap();
            rows.push((text, content.opens, content.closes));
        }
    }
    assert!(rows.iter().all(|(text, ..)| text.ends_with('\n')), "{rows:?}");
    let ends: Vec<_> = rows.iter().map(|(_, opens, closes)| (*opens, *closes)).collect();
    assert_eq!(ends, [(true, false), (false, false), (false, true), (true, false), (false, true)], "{rows:?}");
    assert_eq!(script.relations[0].fingerprint.rows, 3);
}

#[test]
fn sql_ranges_know_their_section() {
    let (script, objects) = index(DUMP, 4096, WIDE).unwrap();
    let mut sections = Vec::new();
    for (position, range) in script.ranges.iter().enumerate() {
        if let Content::Sql { section, only_copy } = range.content {
            let sql = String::from_utf8(read(&script, &objects, position)).unwrap();
            assert_eq!(
                only_copy,
                !(sql.contains("SET ") || sql.contains("SELECT ") || sql.contains("ALTER ")),
                "{sql}"
            );
            sections.push((section, sql));
        }
    }
    let holding = |text: &str| sections.iter().find(|(_, sql)| sql.contains(text)).unwrap().0;
    assert_eq!(holding("CREATE TABLE"), Section::PreData);
    assert_eq!(holding("setval"), Section::Data);
    assert_eq!(holding("a_pkey PRIMARY"), Section::PostData);
}

#[test]
fn a_dump_cut_anywhere_is_refused() {
    let complete = DUMP.find("dump complete").unwrap() + "dump complete".len();
    for cut in 0..complete {
        if DUMP.is_char_boundary(cut) {
            let kind = index(&DUMP[..cut], 4096, WIDE).map(|_| ()).unwrap_err().kind();
            assert_eq!(kind, Kind::Integrity, "cut to {cut} bytes");
        }
    }
}

mod against_a_model {
    use lifeboat_core::codec::{Compression, Fingerprint};
    use lifeboat_core::index::{Content, Range};
    use lifeboat_core::store::layout::Piece;
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Cuts, PREAMBLE, index, read};

    /// Tables by their rows; a row is what COPY could print.
    fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
        let row = prop::string::string_regex(r"([a-z\t ]|\\\\N|\\\\\\\\\.|\u{e9}){0,12}").expect("a valid pattern");
        prop::collection::vec(prop::collection::vec(row, 0..20), 0..6)
    }

    fn cuts() -> impl Strategy<Value = Cuts> {
        (1_usize..200, 2_u64..8, 1_u64..60, 1_u64..200).prop_map(
            |(part_bytes, parts_max, chunk_bytes, sql_range_bytes)| Cuts {
                part_bytes,
                parts_max,
                chunk_bytes,
                sql_range_bytes,
                piece: Piece::Dump,
                compression: Compression::Gzip,
            },
        )
    }

    fn dump_of(tables: &[Vec<String>]) -> String {
        let mut dump = "SET client_encoding = 'UTF8';\n".to_owned();
        for (position, rows) in tables.iter().enumerate() {
            dump += &format!("CREATE TABLE public.t{position} (x text);\n");
            dump += &format!("COPY public.t{position} (x) FROM stdin;\n");
            rows.iter().for_each(|row| dump += &format!("{row}\n"));
            dump += "\\.\n\n";
        }
        dump + "--\n-- PostgreSQL database dump complete\n--\n"
    }

    fn leaves_no_gap(ranges: &[Range]) -> bool {
        ranges.windows(2).all(|pair| match (pair[1].object - pair[0].object, pair[1].bytes.offset) {
            (0, offset) => offset == pair[0].bytes.offset + pair[0].bytes.length,
            (1, offset) => offset == 0,
            _ => false,
        })
    }

    proptest! {
        #[test]
        fn the_index_of_any_dump_in_any_pieces_is_the_models(tables in tables(), cuts in cuts(), slice in 1_usize..80) {
            let dump = dump_of(&tables);
            let (script, objects) = index(&dump, slice, cuts).unwrap();
            let sql: Vec<u8> = (0..script.ranges.len()).flat_map(|at| read(&script, &objects, at)).collect();
            prop_assert_eq!(sql, [PREAMBLE, dump.as_bytes()].concat());
            prop_assert!(leaves_no_gap(&script.ranges));
            let mut sums = vec![Fingerprint::default(); tables.len()];
            for range in &script.ranges {
                if let Content::Rows(rows) = &range.content {
                    sums[rows.relation] += rows.fingerprint;
                }
            }
            for (position, rows) in tables.iter().enumerate() {
                let mut model = Fingerprint::default();
                rows.iter().for_each(|row| model.add_line(row.as_bytes()));
                prop_assert_eq!(sums[position], model);
                prop_assert_eq!(script.relations[position].fingerprint, model);
            }
        }
    }
}
