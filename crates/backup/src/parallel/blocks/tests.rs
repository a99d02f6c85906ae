use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lifeboat_core::Result;
use lifeboat_core::codec::{Compression, Fingerprint, ObjectWriter, PartSink, Sha256, gunzip};
use lifeboat_core::index::Content;
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

use super::{Blocks, Cuts, DataObject, Objects};

type Bodies = BTreeMap<String, Vec<u8>>;

/// Objects by name, and the names that were given up.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Bodies, Vec<String>)>>);

struct KeptObject(Kept, String);

impl Objects for Kept {
    type Sink = KeptObject;

    fn open(&mut self) -> Result<(String, ObjectWriter<KeptObject>)> {
        let mut kept = self.0.lock().unwrap();
        let name = format!("data-{:04}", kept.0.len());
        kept.0.insert(name.clone(), Vec::new());
        Ok((name.clone(), ObjectWriter::new(KeptObject(self.clone(), name), 1 << 20, Compression::Gzip, None)))
    }

    fn give_up(&mut self, name: &str) {
        self.0.lock().unwrap().1.push(name.to_owned());
    }
}

impl PartSink for KeptObject {
    fn part(&mut self, bytes: Bytes, _: bool) -> Result<()> {
        self.0.0.lock().unwrap().0.get_mut(&self.1).unwrap().extend_from_slice(&bytes);
        Ok(())
    }
}

impl Kept {
    /// The script of these objects, each of whose ranges proves its own bytes.
    fn script(&self, objects: &[DataObject]) -> String {
        let kept = self.0.lock().unwrap();
        let mut script = Vec::new();
        for object in objects {
            let body = &kept.0[&object.name];
            let mut end = 0;
            for (range, _) in &object.ranges {
                assert_eq!(range.offset, end, "ranges leave no gap");
                end += range.length;
                let bytes = &body[usize::try_from(range.offset).unwrap()..usize::try_from(end).unwrap()];
                assert_eq!(range.sha256, Sha256::of(bytes));
                script.extend(gunzip(bytes).unwrap());
            }
            assert_eq!(end, object.object.length);
        }
        String::from_utf8(script).unwrap()
    }
}

const WIDE: Cuts = Cuts { range_bytes: 1 << 30, object_bytes: 1 << 40 };

fn write(blocks: &mut Blocks<Kept>, relation: usize, rows: &[String], slice: usize) {
    blocks.begin(relation, format!("COPY t{relation} FROM stdin;\n").as_bytes()).unwrap();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    text.as_bytes().chunks(slice).for_each(|slice| blocks.rows(slice).unwrap());
    blocks.end().unwrap();
}

fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec("[a-z\\t]{0,9}", 0..12), 0..7)
}

proptest! {
    #[test]
    fn blocks_in_any_slices_and_objects_are_the_script_of_a_model(
        tables in tables(), slice in 1_usize..30, range_bytes in 1_u64..60, object_bytes in 1_u64..200,
    ) {
        let kept = Kept::default();
        let mut blocks = Blocks::new(kept.clone(), Cuts { range_bytes, object_bytes });
        let mut objects = Vec::new();
        for (relation, rows) in tables.iter().enumerate() {
            write(&mut blocks, relation, rows, slice);
            if relation % 3 == 2 {
                objects.extend(blocks.finish().unwrap());
            }
        }
        objects.extend(blocks.finish().unwrap());
        let model: String = tables.iter().enumerate().map(|(relation, rows)| {
            let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
            format!("COPY t{relation} FROM stdin;\n{rows}\\.\n\n")
        }).collect();
        prop_assert_eq!(kept.script(&objects), model);

        let mut fingerprints = vec![Fingerprint::default(); tables.len()];
        let mut ends = vec![(0, 0); tables.len()];
        for (_, content) in objects.iter().flat_map(|object| &object.ranges) {
            match content {
                Content::Rows(rows) => {
                    prop_assert!(rows.opens == (fingerprints[rows.relation].rows == 0));
                    fingerprints[rows.relation] += rows.fingerprint;
                    ends[rows.relation].0 += usize::from(rows.opens);
                    ends[rows.relation].1 += usize::from(rows.closes);
                }
                Content::Sql { only_copy, .. } => prop_assert!(only_copy),
            }
        }
        for ((rows, fingerprint), ends) in tables.iter().zip(fingerprints).zip(ends) {
            let mut expected = Fingerprint::default();
            rows.iter().for_each(|row| expected.add_line(row.as_bytes()));
            prop_assert_eq!(fingerprint, expected);
            let once = usize::from(!rows.is_empty());
            prop_assert_eq!(ends, (once, once));
        }
    }
}

#[test]
fn what_was_not_finished_is_given_up_and_written_again_elsewhere() {
    let kept = Kept::default();
    let mut blocks = Blocks::new(kept.clone(), WIDE);
    write(&mut blocks, 0, &["kept".into()], 99);
    let mut objects = blocks.finish().unwrap();
    write(&mut blocks, 1, &["lost".into()], 99);
    blocks.begin(2, b"COPY t2 FROM stdin;\n").unwrap();
    blocks.rows(b"half a ro").unwrap();
    blocks.give_up();
    assert_eq!(kept.0.lock().unwrap().1, ["data-0001"]);
    write(&mut blocks, 1, &["again".into()], 99);
    objects.extend(blocks.finish().unwrap());
    let script = kept.script(&objects);
    assert_eq!(script, "COPY t0 FROM stdin;\nkept\n\\.\n\nCOPY t1 FROM stdin;\nagain\n\\.\n\n");
}

#[test]
fn a_row_that_ends_all_rows_is_refused() {
    let mut blocks = Blocks::new(Kept::default(), WIDE);
    blocks.begin(0, b"COPY t FROM stdin;\n").unwrap();
    assert!(blocks.rows(b"1\n\\.\n2\n").is_err());
}
